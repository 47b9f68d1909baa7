"""Response headers commit a client's attempt, so they go out with the first message only."""

import asyncio

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from llmsvc_server.chat.events import SIGN_OF_LIFE, Delta
from tests.contract.calls import event_of, provider_of, settled
from tests.fakes.assembled import assembled
from tests.fakes.eventually import PATIENCE_S
from tests.fakes.gate import Gate
from tests.fakes.requests import chat_message
from tests.fakes.scripted_provider import done

pytestmark = pytest.mark.usefixtures("nothing_left")


async def test_headers_come_with_the_first_message_and_not_before() -> None:
    gate = Gate()
    provider = provider_of(SIGN_OF_LIFE, gate, Delta("a"), done())
    async with assembled(provider) as service, asyncio.TaskGroup() as group:
        call = service.stub.ChatStream(chat_message())
        headers = group.create_task(call.initial_metadata())
        await gate.reached()
        # What was sent before the answer to a later call on the connection has arrived by then.
        health = health_pb2_grpc.HealthStub(service.channel)
        _ = await health.Check(
            health_pb2.HealthCheckRequest(service="liveness"), timeout=PATIENCE_S
        )
        early = headers.done()
        gate.open()
        events = [await event_of(call), await event_of(call)]
        _ = await headers
        call.cancel()
        await settled(service, provider)

    assert not early
    assert ["started", "delta"] == events


async def test_started_waits_for_content_too() -> None:
    silence, after = Gate(), Gate()
    provider = provider_of(SIGN_OF_LIFE, silence, Delta("a"), after, done())
    async with assembled(provider) as service, asyncio.TaskGroup() as group:
        call = service.stub.ChatStream(chat_message())
        first = group.create_task(event_of(call))
        await silence.reached()
        early = first.done()
        silence.open()
        events = [await first, await event_of(call)]
        waiting_after = after.arrivals
        call.cancel()
        await settled(service, provider)

    assert not early
    assert ["started", "delta"] == events
    assert waiting_after <= 1
