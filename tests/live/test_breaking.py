"""An Ollama that dies, freezes and comes back."""

import signal

import grpc
import pytest

from llmsvc.v1 import llm_pb2
from tests.contract.told import Told, told
from tests.fakes.eventually import eventually
from tests.fakes.requests import chat_message
from tests.live.ollama_process import OllamaProcess, cpu_s
from tests.live.service import Service
from tests.live.subject import Subject

pytestmark = pytest.mark.live

ANSWERED_S = 30.0
NEVER_S = 600.0


async def works(served: Service) -> bool:
    request = chat_message()
    request.generation_config.max_output_tokens = 5
    answer = await served.chat(request, within_s=ANSWERED_S)
    return answer.usage.output_tokens == 5


async def begun(
    served: Service,
) -> grpc.aio.UnaryStreamCall[llm_pb2.ChatRequest, llm_pb2.ChatStreamResponse]:
    """Return a stream that has delivered text and would go on for half a minute."""
    call = served.stub.ChatStream(chat_message(), timeout=NEVER_S)
    async for event in call:
        if event.delta.text:
            break
    return call


async def failure_of(
    call: grpc.aio.UnaryStreamCall[llm_pb2.ChatRequest, llm_pb2.ChatStreamResponse],
) -> Told:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        async for _ in call:
            pass
    return told(failed.value)


def assert_interrupted(failure: Told, subject: Subject) -> None:
    assert ("ABORTED", "STREAM_INTERRUPTED") == (failure.code, failure.reason)
    assert "provider" == failure.metadata["cause"]
    route = failure.detail(llm_pb2.RouteInfo)
    assert ("ollama", llm_pb2.PROVIDER_KIND_OLLAMA) == (route.provider, route.provider_kind)
    assert route.model.startswith(subject.talker)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_a_server_that_ends_in_mid_stream_interrupts_the_stream(
    breakable: Subject, ollama: OllamaProcess, over_it: Service, how: signal.Signals
) -> None:
    call = await begun(over_it)
    await ollama.stop(how)

    assert_interrupted(await failure_of(call), breakable)


async def test_a_server_that_ends_before_any_answer_is_a_failure_that_may_pass(
    ollama: OllamaProcess, over_it: Service
) -> None:
    assert await works(over_it)
    engines = ollama.engines()
    at_first_s = cpu_s(engines)
    call = over_it.stub.Chat(chat_message(), timeout=NEVER_S)
    await eventually(lambda: cpu_s(engines) - at_first_s > 0.2)
    await ollama.stop(signal.SIGKILL)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call

    failure = told(failed.value)
    assert ("UNAVAILABLE", "PROVIDER_ERROR") == (failure.code, failure.reason)
    assert -1 == failure.pushback_ms


async def test_a_server_that_is_back_serves_again(ollama: OllamaProcess, over_it: Service) -> None:
    assert await works(over_it)
    await ollama.stop(signal.SIGKILL)
    await over_it.until(serving=False)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await works(over_it)
    await ollama.start()
    await over_it.until(serving=True)

    failure = told(failed.value)
    assert ("UNAVAILABLE", "PROVIDER_UNREACHABLE") == (failure.code, failure.reason)
    assert await works(over_it)


async def test_a_restart_between_two_calls_is_not_noticed(
    ollama: OllamaProcess, over_it: Service
) -> None:
    assert await works(over_it)
    await ollama.stop(signal.SIGTERM)
    await ollama.start()
    await over_it.until(serving=True)  # where it took long enough to be missed

    assert await works(over_it)


async def test_an_engine_that_died_idle_is_replaced_unseen(
    ollama: OllamaProcess, over_it: Service
) -> None:
    assert await works(over_it)
    (engine,) = ollama.engines()
    engine.kill()

    assert await works(over_it)


async def test_an_engine_that_dies_in_mid_stream_interrupts_it_and_the_next_call_works(
    breakable: Subject, ollama: OllamaProcess, over_it: Service
) -> None:
    call = await begun(over_it)
    (engine,) = ollama.engines()
    engine.kill()

    assert_interrupted(await failure_of(call), breakable)
    assert await works(over_it)


async def test_an_engine_that_freezes_in_mid_stream_is_not_waited_for(
    breakable: Subject, ollama: OllamaProcess, over_it: Service
) -> None:
    call = await begun(over_it)
    (engine,) = ollama.engines()
    engine.suspend()

    assert_interrupted(await failure_of(call), breakable)


async def test_an_engine_that_froze_idle_is_not_waited_for_and_replaced(
    ollama: OllamaProcess, over_it: Service
) -> None:
    assert await works(over_it)
    (engine,) = ollama.engines()
    engine.suspend()
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await works(over_it)

    failure = told(failed.value)
    assert ("UNAVAILABLE", "MODEL_LOADING") == (failure.code, failure.reason)
    assert await works(over_it)
