"""The caller leaves: everything ends, nobody is blamed, one report says so."""

import asyncio

import grpc
import pytest

from llmsvc_server.chat.events import Delta
from tests.contract.calls import event_of, provider_of, reports, settled, still_blocked
from tests.fakes.assembled import assembled
from tests.fakes.gate import Gate
from tests.fakes.requests import chat_message
from tests.fakes.scripted_provider import done

pytestmark = pytest.mark.usefixtures("nothing_left")
CANCELLED = [("CANCELLED", "")]


async def test_a_unary_call_that_is_cancelled_ends_the_attempt() -> None:
    gate = Gate()
    provider = provider_of(Delta("a"), gate, done())
    async with assembled(provider) as service:
        call = service.stub.Chat(chat_message())
        waiting = asyncio.gather(call, return_exceptions=True)
        await gate.reached()
        call.cancel()
        await settled(service, provider)
        await waiting

    assert provider.calls[0].left
    assert CANCELLED == reports(service)


async def test_a_stream_that_is_cancelled_before_its_first_message_ends_the_attempt() -> None:
    gate = Gate()
    provider = provider_of(gate, done())
    async with assembled(provider) as service:
        call = service.stub.ChatStream(chat_message())
        await gate.reached()
        call.cancel()
        await settled(service, provider)

    assert provider.calls[0].left
    assert CANCELLED == reports(service)
    assert 0 == service.reporter.rpcs[0].messages_sent


async def test_a_stream_that_is_cancelled_between_messages_ends_the_attempt() -> None:
    gate = Gate()
    provider = provider_of(Delta("a"), gate, done())
    async with assembled(provider) as service:
        call = service.stub.ChatStream(chat_message())
        events = [await event_of(call), await event_of(call)]
        await gate.reached()
        call.cancel()
        await settled(service, provider)

    assert ["started", "delta"] == events
    assert provider.calls[0].left
    assert CANCELLED == reports(service)
    assert 2 == service.reporter.rpcs[0].messages_sent


async def test_a_stream_that_is_cancelled_inside_a_write_ends_the_attempt() -> None:
    progress: list[float] = []
    now = asyncio.get_running_loop().time
    piece = (Delta("x" * 65_536), lambda: progress.append(now()))
    provider = provider_of(*piece * 1000, done())
    async with assembled(provider) as service:
        call = service.stub.ChatStream(chat_message())
        first = await event_of(call)
        await still_blocked(progress)  # nobody reads, so a write waits
        call.cancel()
        await settled(service, provider)

    assert "started" == first
    assert len(progress) < 1000
    assert provider.calls[0].left
    assert CANCELLED == reports(service)


async def test_a_caller_that_goes_away_with_its_connection_ends_the_attempt() -> None:
    gate = Gate()
    provider = provider_of(Delta("a"), gate, done())
    async with assembled(provider) as service:
        async with grpc.aio.insecure_channel(service.address) as channel:
            call = type(service.stub)(channel).ChatStream(chat_message())
            await event_of(call)
            await gate.reached()
        await settled(service, provider)

    assert CANCELLED == reports(service)


async def test_the_attempt_is_over_before_its_slot_is_free() -> None:
    gate, closing = Gate(), Gate()
    provider = provider_of(gate, done())
    provider.closing = closing
    async with assembled(provider, max_chats=1) as service:
        call = service.stub.ChatStream(chat_message())
        await gate.reached()
        call.cancel()
        await closing.reached()
        held = (service.admission.running, len(service.in_flight))
        closing.open()
        await settled(service, provider)

    assert (1, 1) == held
    assert CANCELLED == reports(service)


@pytest.mark.parametrize("calls", [200])
async def test_many_cancels_at_once_leave_nothing(calls: int) -> None:
    gate = Gate()
    provider = provider_of(Delta("a"), gate, done())
    async with assembled(provider) as service:
        running = [
            (service.stub.ChatStream if number % 2 else service.stub.Chat)(chat_message())
            for number in range(calls)
        ]
        waiting = asyncio.gather(*(call.code() for call in running), return_exceptions=True)
        await gate.reached(100)
        for call in running:
            call.cancel()
        codes = await waiting
        await settled(service, provider)

    assert {grpc.StatusCode.CANCELLED} == set(codes)
    assert CANCELLED * len(service.reporter.starts) == reports(service)
    assert len(service.reporter.starts) >= 100
