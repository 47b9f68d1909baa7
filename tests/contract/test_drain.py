"""The server stops: what still runs ends with a status of its own."""

import asyncio

import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.events import Delta
from tests.contract.calls import event_of, provider_of, reports, settled, stream, unary
from tests.fakes.assembled import MODEL, assembled
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.requests import chat_message
from tests.fakes.scripted_provider import done

pytestmark = pytest.mark.usefixtures("nothing_left")
DRAINING = ("UNAVAILABLE", "SERVER_DRAINING")
INTERRUPTED = ("ABORTED", "STREAM_INTERRUPTED")


async def test_calls_without_content_are_sent_to_another_server() -> None:
    gate = Gate()
    provider = provider_of(gate, done())
    async with assembled(provider) as service, asyncio.TaskGroup() as group:
        calls = [group.create_task(unary(service)), group.create_task(stream(service))]
        await gate.reached(2)
        service.in_flight.expire()
        failures = [(await call).failure for call in calls]
        await settled(service, provider)

    assert [(*DRAINING, -1)] * 2 == [  # a provider ran them: not by reflex again
        (one.code, one.reason, one.pushback_ms) for one in failures if one
    ]
    assert [DRAINING] * 2 == reports(service)


async def test_streams_with_content_are_interrupted() -> None:
    gate = Gate()
    provider = provider_of(Delta("a"), gate, done())
    async with assembled(provider) as service, asyncio.TaskGroup() as group:
        call = group.create_task(stream(service))
        await gate.reached()
        service.in_flight.expire()
        ended = await call
        await settled(service, provider)
    assert ended.failure is not None

    assert ["started", "delta"] == ended.events
    assert INTERRUPTED == ended.outcome
    assert {"cause": "drain"} == ended.failure.metadata
    assert MODEL == ended.failure.detail(llm_pb2.RouteInfo).model
    assert -1 == ended.failure.pushback_ms
    assert [INTERRUPTED] == reports(service)


async def test_a_whole_answer_that_was_under_way_is_no_interrupted_one() -> None:
    gate = Gate()
    provider = provider_of(Delta("a"), gate, done())
    async with assembled(provider) as service, asyncio.TaskGroup() as group:
        call = group.create_task(unary(service))
        await gate.reached()
        service.in_flight.expire()
        ended = await call
        await settled(service, provider)

    assert DRAINING == ended.outcome


async def test_a_call_that_comes_after_that_is_refused_at_once() -> None:
    provider = provider_of(Gate(), done())
    async with assembled(provider) as service:
        service.in_flight.expire()
        ended = await stream(service)
        await settled(service, provider)

    assert DRAINING == ended.outcome


async def test_expiring_twice_while_a_provider_is_slow_to_close_does_no_harm() -> None:
    gate, closing = Gate(), Gate()
    provider = provider_of(gate, done())
    provider.closing = closing
    async with assembled(provider) as service, asyncio.TaskGroup() as group:
        call = group.create_task(stream(service))
        await gate.reached()
        service.in_flight.expire()
        await closing.reached()
        service.in_flight.expire()
        closing.open()
        ended = await call
        await settled(service, provider)

    assert DRAINING == ended.outcome


async def test_a_stream_that_ends_in_time_is_not_touched() -> None:
    gate = Gate()
    provider = provider_of(Delta("a"), gate, Delta("b"), done())
    async with assembled(provider) as service, asyncio.TaskGroup() as group:
        call = group.create_task(stream(service))
        await gate.reached()
        service.board.drain()
        service.admission.close()
        refused = await unary(service)
        gate.open()
        ended = await call
        await service.in_flight.empty()
        service.in_flight.expire()

    assert DRAINING == refused.outcome
    assert ("OK", ["started", "delta", "delta", "completed"]) == (ended.outcome[0], ended.events)


async def test_expiring_a_call_whose_reader_is_stuck_leaves_nothing() -> None:
    progress: list[None] = []
    piece = (Delta("x" * 65_536), lambda: progress.append(None))
    provider = provider_of(*piece * 1000, done())
    async with assembled(provider) as service:
        call = service.stub.ChatStream(chat_message())
        _ = await event_of(call)
        await eventually(lambda: len(progress) > 10)
        service.in_flight.expire()
        await settled(service, provider)
        await eventually(lambda: len(service.reporter.rpcs) == 1)
        call.cancel()

    assert [INTERRUPTED] == reports(service)
    assert len(progress) < 1000
