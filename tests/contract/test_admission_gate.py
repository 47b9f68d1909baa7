"""The process gate: full means an honest refusal, and health answers all the while."""

import asyncio

import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.contract.calls import provider_of, reports, settled, stream, unary
from tests.fakes.assembled import Assembled, assembled
from tests.fakes.eventually import PATIENCE_S
from tests.fakes.gate import Gate
from tests.fakes.scripted_provider import done

pytestmark = pytest.mark.usefixtures("nothing_left")
OVERLOADED = ("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED")


async def is_alive(service: Assembled) -> bool:
    health = health_pb2_grpc.HealthStub(service.channel)
    response = await health.Check(
        health_pb2.HealthCheckRequest(service="liveness"), timeout=PATIENCE_S
    )
    return bool(response.status == health_pb2.HealthCheckResponse.SERVING)


async def test_what_does_not_fit_is_refused_at_once_and_told_when_to_come_back() -> None:
    gate = Gate()
    provider = provider_of(gate, done())
    async with assembled(provider, max_chats=2) as service, asyncio.TaskGroup() as group:
        running = [group.create_task(unary(service)), group.create_task(stream(service))]
        await gate.reached(2)
        refused = [await unary(service), await stream(service)]
        alive = await is_alive(service)
        gate.open()
        ended = [(await call).outcome for call in running]
        await settled(service, provider)
        later = await unary(service)
        await settled(service, provider)
    failures = [one.failure for one in refused if one.failure]
    waits = [one.detail(error_details_pb2.RetryInfo).retry_delay.seconds for one in failures]

    assert [OVERLOADED] * 2 == [one.outcome for one in refused]
    assert [1, 1] == waits
    assert [None, None] == [one.pushback_ms for one in failures]
    assert alive
    assert [("OK", "")] * 3 == [*ended, later.outcome]
    assert 2 == provider.most_running


async def test_health_answers_while_ninety_streams_hang() -> None:
    gate = Gate()
    provider = provider_of(gate, done())
    async with assembled(provider) as service, asyncio.TaskGroup() as group:
        calls = [group.create_task(stream(service)) for _ in range(90)]
        await gate.reached(90)
        alive = [await is_alive(service) for _ in range(20)]
        gate.open()
        ended = [(await call).outcome for call in calls]
        await settled(service, provider)

    assert [True] * 20 == alive
    assert [("OK", "")] * 90 == ended
    assert [("OK", "")] * 90 == reports(service)


async def test_a_refused_call_asks_no_provider() -> None:
    provider = provider_of(done())
    async with assembled(provider, max_chats=0) as service:
        ended = await unary(service)

    assert OVERLOADED == ended.outcome
    assert [] == provider.calls
