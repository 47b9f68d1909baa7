"""Callers who leave: the model stops, and the next caller is served at once."""

import asyncio
import signal

import grpc
import pytest

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from tests.fakes.eventually import eventually
from tests.fakes.llmsvc_command import begun, ended
from tests.fakes.requests import chat_message
from tests.live.ollama_process import Idle, cpu_s
from tests.live.service import Service
from tests.live.subject import GREETING, STORY, Subject

pytestmark = pytest.mark.live

FIRST_WORD_S = 120.0
AT_ONCE_S = 10.0  # what is left running would take longer
LONG_S = 600.0

Call = grpc.aio.UnaryStreamCall[llm_pb2.ChatRequest, llm_pb2.ChatStreamResponse]


@pytest.fixture
def story(subject: Subject) -> llm_pb2.ChatRequest:
    """Return a request whose answer goes on for long."""
    request = chat_message(STORY, model=subject.talker)
    request.generation_config.max_output_tokens = 1_000_000
    return request


async def until_text(call: Call, *, times: int = 1) -> None:
    async with asyncio.timeout(FIRST_WORD_S):
        async for event in call:
            times -= bool(event.delta.text)
            if times == 0:
                return


async def the_next_is_served_at_once(served: Service, subject: Subject) -> None:
    request = chat_message(GREETING, model=subject.talker)
    request.generation_config.max_output_tokens = 5
    answer = await served.chat(request, within_s=AT_ONCE_S)

    assert 0 < answer.usage.output_tokens <= 5  # a person's own model may greet in fewer


async def the_model_stops(subject: Subject) -> None:
    if subject.process is not None:
        await eventually(Idle(subject.process.engines()), within_s=AT_ONCE_S)


@pytest.mark.usefixtures("talking")
async def test_a_cancelled_stream_stops_the_model(
    served: Service, subject: Subject, story: llm_pb2.ChatRequest
) -> None:
    call = served.stub.ChatStream(story, timeout=LONG_S)
    await until_text(call)
    call.cancel()

    await the_model_stops(subject)
    await the_next_is_served_at_once(served, subject)


async def test_a_cancelled_chat_stops_the_model(
    served: Service, scripted: Subject, story: llm_pb2.ChatRequest
) -> None:
    await the_next_is_served_at_once(served, scripted)
    assert scripted.process is not None
    engines = scripted.process.engines()
    at_first_s = cpu_s(engines)
    call = served.stub.Chat(story, timeout=LONG_S)
    await eventually(lambda: cpu_s(engines) - at_first_s > 0.2)
    call.cancel()

    await the_model_stops(scripted)
    await the_next_is_served_at_once(served, scripted)


@pytest.mark.usefixtures("scripted")  # a person's own may be done before
async def test_a_deadline_stops_the_model(
    served: Service, subject: Subject, story: llm_pb2.ChatRequest
) -> None:
    await the_next_is_served_at_once(served, subject)  # in memory now
    with pytest.raises(grpc.aio.AioRpcError) as late:
        await served.stream(story, within_s=2)

    assert grpc.StatusCode.DEADLINE_EXCEEDED == late.value.code()
    await the_model_stops(subject)
    await the_next_is_served_at_once(served, subject)


@pytest.mark.usefixtures("talking")
async def test_a_lost_connection_stops_the_model(
    served: Service, subject: Subject, story: llm_pb2.ChatRequest
) -> None:
    async with grpc.aio.insecure_channel(served.address) as channel:
        call = llm_pb2_grpc.LLMServiceStub(channel).ChatStream(story, timeout=LONG_S)
        await until_text(call)

    await the_model_stops(subject)
    await the_next_is_served_at_once(served, subject)


@pytest.mark.usefixtures("scripted")  # a person's own may be done before
async def test_ctrl_c_in_the_command_stops_the_model(served: Service, subject: Subject) -> None:
    command = await begun(*("chat", "--model", subject.talker, STORY), address=served.address)
    assert command.stdout is not None
    async with asyncio.timeout(FIRST_WORD_S):
        await command.stdout.readexactly(1)
    command.send_signal(signal.SIGINT)

    assert 130 == (await ended(command)).code
    await the_model_stops(subject)
    await the_next_is_served_at_once(served, subject)


@pytest.mark.usefixtures("scripted")  # a person's own may be done before
async def test_who_waits_for_a_slot_may_leave_and_the_others_are_served_in_turn(
    served: Service, subject: Subject, story: llm_pb2.ChatRequest
) -> None:
    short = chat_message(GREETING, model=subject.talker)
    short.generation_config.max_output_tokens = 5
    running = served.stub.ChatStream(story, timeout=LONG_S)
    await until_text(running)
    leaving = served.stub.Chat(short, timeout=LONG_S)
    waiting = served.stub.Chat(short, timeout=LONG_S)
    await until_text(running, times=20)
    leaving.cancel()
    await until_text(running, times=20)
    answered_early = waiting.done()
    running.cancel()
    async with asyncio.timeout(AT_ONCE_S):
        answer = await waiting

    assert not answered_early
    assert 5 == answer.usage.output_tokens
