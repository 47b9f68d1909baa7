"""A real Ollama by its other door: /v1, which many programs speak, as kind `openai`."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from llmsvc.v1 import llm_pb2
from tests.contract.told import Told, told
from tests.fakes.eventually import eventually
from tests.fakes.requests import chat_message
from tests.live.ollama_process import Idle, OllamaProcess, cpu_s
from tests.live.service import Service, service_over
from tests.live.subject import Subject
from tests.live.tiny_models import PLAIN, input_tokens

pytestmark = pytest.mark.live

NAME = "compatible"
ANSWERED_S = 30.0
NEVER_S = 600.0

Call = grpc.aio.UnaryStreamCall[llm_pb2.ChatRequest, llm_pb2.ChatStreamResponse]


@pytest.fixture
async def by_v1(breakable: Subject, tmp_path: Path) -> AsyncIterator[Service]:
    """Return a service over the Ollama of this test, with the endless model as its default."""
    entry = {
        "kind": "openai",
        "base_url": f"{breakable.base_url}/v1",
        "model": breakable.talker,
        "local": True,
    }
    async with service_over(tmp_path, **{NAME: entry}) as running:
        await running.until(serving=True)
        yield running


async def works(served: Service) -> bool:
    request = chat_message()
    request.generation_config.max_output_tokens = 5
    answer = await served.chat(request, within_s=ANSWERED_S)
    return answer.usage.output_tokens == 5


async def begun(served: Service) -> Call:
    """Return a stream that has delivered text and would go on for long."""
    call = served.stub.ChatStream(chat_message(), timeout=NEVER_S)
    async for event in call:
        if event.delta.text:
            break
    return call


async def failure_of(call: Call) -> Told:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        async for _ in call:
            pass
    return told(failed.value)


async def test_both_say_what_the_model_says_and_who_said_it(by_v1: Service) -> None:
    request = chat_message(model=PLAIN.name)
    stream = await by_v1.stream(request, within_s=ANSWERED_S)
    answer = await by_v1.chat(request, within_s=ANSWERED_S)

    text = "".join(part.text for part in answer.message.parts)
    assert PLAIN.script.text == stream.text == text
    for end in (stream.completed, answer):
        assert llm_pb2.FINISH_REASON_STOP == end.finish_reason
        assert NAME == end.route.provider
        assert llm_pb2.PROVIDER_KIND_OPENAI == end.route.provider_kind
        assert llm_pb2.LOCALITY_LOCAL == end.route.locality
        assert len(PLAIN.script.words) + 1 == end.usage.output_tokens
        assert input_tokens(("user", "hi")) == end.usage.input_tokens


async def test_max_output_tokens_ends_an_answer(by_v1: Service) -> None:
    request = chat_message()
    request.generation_config.max_output_tokens = 5
    answer = await by_v1.chat(request, within_s=ANSWERED_S)

    assert llm_pb2.FINISH_REASON_MAX_TOKENS == answer.finish_reason
    assert 5 == answer.usage.output_tokens


async def test_a_cancelled_stream_stops_the_model(by_v1: Service, ollama: OllamaProcess) -> None:
    call = await begun(by_v1)
    call.cancel()

    await eventually(Idle(ollama.engines()), within_s=ANSWERED_S)
    assert await works(by_v1)


async def test_a_cancelled_chat_stops_the_model(by_v1: Service, ollama: OllamaProcess) -> None:
    assert await works(by_v1)
    engines = ollama.engines()
    at_first_s = cpu_s(engines)
    call = by_v1.stub.Chat(chat_message(), timeout=NEVER_S)
    await eventually(lambda: cpu_s(engines) - at_first_s > 0.2)
    call.cancel()

    await eventually(Idle(engines), within_s=ANSWERED_S)
    assert await works(by_v1)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_server_that_ends_interrupts_its_stream_and_serves_again_once_it_is_back(
    by_v1: Service, ollama: OllamaProcess, how: signal.Signals
) -> None:
    call = await begun(by_v1)
    await ollama.stop(how)
    interrupted = await failure_of(call)
    await by_v1.until(serving=False)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await works(by_v1)
    await ollama.start()
    await by_v1.until(serving=True)

    assert ("ABORTED", "STREAM_INTERRUPTED") == (interrupted.code, interrupted.reason)
    assert NAME == interrupted.detail(llm_pb2.RouteInfo).provider
    gone = told(failed.value)
    assert ("UNAVAILABLE", "PROVIDER_UNREACHABLE") == (gone.code, gone.reason)
    assert await works(by_v1)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_server_that_ends_before_any_answer_is_a_failure_that_may_pass(
    by_v1: Service, ollama: OllamaProcess, how: signal.Signals
) -> None:
    assert await works(by_v1)
    engines = ollama.engines()
    at_first_s = cpu_s(engines)
    call = by_v1.stub.Chat(chat_message(), timeout=NEVER_S)
    await eventually(lambda: cpu_s(engines) - at_first_s > 0.2)
    await ollama.stop(how)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call

    failure = told(failed.value)
    assert ("UNAVAILABLE", -1) == (failure.code, failure.pushback_ms)


async def test_an_engine_that_dies_in_mid_stream_interrupts_it_and_the_next_call_works(
    by_v1: Service, ollama: OllamaProcess
) -> None:
    call = await begun(by_v1)
    (engine,) = ollama.engines()
    engine.kill()
    failure = await failure_of(call)

    assert ("ABORTED", "STREAM_INTERRUPTED") == (failure.code, failure.reason)
    assert await works(by_v1)
