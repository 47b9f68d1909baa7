"""A caller that does not read: bounded, endable, and nothing stays behind."""

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.events import Delta
from llmsvc_server.rpc.server import LLM_SERVICE
from tests.contract.calls import (
    Stream,
    event_of,
    provider_of,
    reports,
    settled,
    still_blocked,
    stream,
    unary,
)
from tests.contract.told import Told, told
from tests.fakes.assembled import assembled
from tests.fakes.eventually import eventually
from tests.fakes.hosts import channel_from
from tests.fakes.http2_connection import http2_connection
from tests.fakes.requests import chat_message
from tests.fakes.scripted_provider import ScriptedProvider, done

pytestmark = pytest.mark.usefixtures("nothing_left")
PIECES, PIECE_BYTES = 500, 65_536
CHAT = f"/{LLM_SERVICE}/Chat"
INTERRUPTED = ("ABORTED", "STREAM_INTERRUPTED")


def much(progress: list[float]) -> ScriptedProvider:
    """Return a provider of 32 MB that notes when each piece was taken."""
    now = asyncio.get_running_loop().time
    piece = (Delta("x" * PIECE_BYTES), lambda: progress.append(now()))
    return provider_of(*piece * PIECES, done())


async def rest_of(call: Stream) -> tuple[int, Told]:
    """Return how many messages follow, and how the call then fails."""
    messages = 0
    try:
        while isinstance(await call.read(), llm_pb2.ChatStreamResponse):
            messages += 1
    except grpc.aio.AioRpcError as error:
        return messages, told(error)
    raise AssertionError("the call did not fail")


async def test_it_holds_the_provider_back_and_leaves_nothing_when_it_goes() -> None:
    progress: list[float] = []
    provider = much(progress)
    async with assembled(provider) as service:
        call = service.stub.ChatStream(chat_message())
        await eventually(lambda: len(progress) * PIECE_BYTES > 1_000_000)
        await still_blocked(progress)
        call.cancel()
        await settled(service, provider)

    assert len(progress) < PIECES
    assert [("CANCELLED", "")] == reports(service)
    assert provider.calls[0].left


async def test_one_that_wakes_up_gets_everything() -> None:
    progress: list[float] = []
    provider = much(progress)
    async with assembled(provider) as service:
        call = service.stub.ChatStream(chat_message())
        await still_blocked(progress)
        length = 0
        async for message in call:
            length += len(message.delta.text)
        await settled(service, provider)

    assert PIECES * PIECE_BYTES == length
    assert [("OK", "")] == reports(service)


async def test_our_limit_ends_the_handler_though_the_status_waits_for_the_reader() -> None:
    progress: list[float] = []
    provider = much(progress)
    async with assembled(provider, stream_s=1.5) as service:
        call = service.stub.ChatStream(chat_message())
        _ = await event_of(call)
        await settled(service, provider)
        held_bytes = service.held.bytes
        messages, outcome = await rest_of(call)
        await eventually(lambda: not service.held.bytes)

    assert INTERRUPTED == (outcome.code, outcome.reason)
    assert {"cause": "timeLimit"} == outcome.metadata
    assert messages < PIECES
    assert held_bytes > PIECE_BYTES
    assert [INTERRUPTED] == reports(service)


async def test_one_that_stops_reading_is_given_up_and_told_when_it_wakes_up() -> None:
    progress: list[float] = []
    provider = much(progress)
    async with assembled(provider, write_s=0.3, max_chats=1) as service:
        call = service.stub.ChatStream(chat_message())
        _ = await event_of(call)
        await settled(service, provider)
        told_meanwhile = [(one.reason, one.cause) for one in service.reporter.rpcs]
        another = service.stub.Chat(chat_message(), timeout=20)
        await eventually(lambda: len(provider.calls) == 2)
        another.cancel()
        messages, outcome = await rest_of(call)

    assert provider.calls[0].left
    assert [("STREAM_INTERRUPTED", "slowReader")] == told_meanwhile
    assert INTERRUPTED == (outcome.code, outcome.reason)
    assert {"cause": "slowReader"} == outcome.metadata
    assert outcome.detail(llm_pb2.Usage).output_tokens > 0
    assert messages < PIECES


async def test_one_that_reads_slower_than_it_is_told_is_waited_for() -> None:
    progress: list[float] = []
    provider = much(progress)
    async with assembled(provider, write_s=2.0) as service:
        call = service.stub.ChatStream(chat_message())
        for _ in range(8):
            await still_blocked(progress, for_s=0.3)
            for _ in range(PIECES // 10):
                _ = await event_of(call)
        while await event_of(call) != "completed":
            pass
        await settled(service, provider)

    assert [("OK", "")] == reports(service)


async def test_one_that_wants_signs_of_life_and_reads_none_is_given_up_too() -> None:
    progress: list[float] = []
    provider = much(progress)
    request = chat_message()
    request.stream_options.progress_interval.FromSeconds(1)
    async with assembled(provider, write_s=0.3) as service:
        call = service.stub.ChatStream(request)
        _ = await event_of(call)
        await settled(service, provider)
        _, outcome = await rest_of(call)

    assert {"cause": "slowReader"} == outcome.metadata
    assert [INTERRUPTED] == reports(service)


@pytest.mark.parametrize("leaves", ["call", "connection"])
async def test_what_a_given_up_caller_leaves_behind_goes_with_it(
    leaves: str, caplog: pytest.LogCaptureFixture
) -> None:
    provider = much([])
    async with assembled(provider, write_s=0.3) as service:
        async with grpc.aio.insecure_channel(service.address) as channel:
            call = type(service.stub)(channel).ChatStream(chat_message())
            await settled(service, provider)
            await eventually(lambda: bool(service.reporter.rpcs))
            held_bytes = service.held.bytes
            if leaves == "call":
                call.cancel()
                await eventually(lambda: not service.held.bytes)
        await eventually(lambda: not service.held.bytes)

    assert held_bytes > PIECE_BYTES
    assert [INTERRUPTED] == reports(service)
    assert [] == caplog.records


async def test_a_whole_answer_that_nobody_reads_keeps_its_slot_for_a_while() -> None:
    provider = provider_of(*[Delta("x" * PIECE_BYTES)] * 100, done())
    request = chat_message().SerializeToString()
    async with (
        assembled(provider, write_s=0.5, max_chats=2) as service,
        http2_connection(service.address) as connection,
    ):
        connection.call(CHAT, request)
        await eventually(lambda: bool(service.reporter.rpcs))
        slots = service.admission.running
        await eventually(lambda: not service.admission.running)
        held_bytes = service.held.bytes
        connection.close()
        await eventually(lambda: not service.held.bytes)

    assert 1 == slots
    assert held_bytes > 100 * PIECE_BYTES
    assert [("OK", "")] == reports(service)


async def test_callers_are_refused_while_too_much_is_unread() -> None:
    provider = provider_of(*[Delta("x" * PIECE_BYTES)] * 10, done())
    request = chat_message().SerializeToString()
    async with (
        assembled(provider, max_held_bytes=2**20) as service,
        http2_connection(service.address) as connection,
    ):
        connection.call(CHAT, request)
        await eventually(lambda: bool(service.reporter.rpcs))
        refused = [await unary(service), await stream(service)]

    assert [("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED")] * 2 == [one.outcome for one in refused]
    assert 1 == len(provider.calls)


async def test_health_checks_whose_answers_nobody_reads_have_a_bound() -> None:
    asks = health_pb2.HealthCheckRequest()
    provider = provider_of(Delta("x" * PIECE_BYTES), done())
    async with (
        assembled(provider, max_other_bytes=2**20) as service,
        http2_connection(service.address) as connection,
        channel_from("127.0.0.7", service.address) as channel,
    ):
        stub = health_pb2_grpc.HealthStub(service.channel)
        connection.call(CHAT, chat_message().SerializeToString())  # more than its window
        await eventually(lambda: bool(service.reporter.rpcs))
        for _ in range(60):
            connection.call("/grpc.health.v1.Health/Check", b"")
        await eventually(lambda: service.held_of_others.bytes > 27 * 2**15)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.Check(asks, timeout=10)
        answer = await health_pb2_grpc.HealthStub(channel).Check(asks, timeout=10)
        connection.close()
        await eventually(lambda: not service.held_of_others.bytes)
        again = await stub.Check(asks, timeout=10)

    refused = told(raised.value)
    assert ("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED") == (refused.code, refused.reason)
    assert answer.status == again.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_host_that_reads_nothing_keeps_no_other_host_out() -> None:
    provider = provider_of(Delta("hello"), done())
    provider.will(Delta("x" * PIECE_BYTES), done())  # more than the connection's window
    request = chat_message().SerializeToString()
    async with (
        assembled(provider, write_s=0.1, max_held_bytes=2**20) as service,
        http2_connection(service.address) as connection,
        channel_from("127.0.0.7", service.address) as channel,
    ):
        for _ in range(40):
            connection.call(CHAT, request)
        await eventually(lambda: len(service.reporter.rpcs) == 40)
        answer = await type(service.stub)(channel).Chat(chat_message(), timeout=10)
        connection.close()
        await eventually(lambda: not service.held.bytes)

    assert "hello" == answer.message.parts[0].text
    assert ("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED") in reports(service)
