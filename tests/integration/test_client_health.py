"""Health and balancing of the client, over a real server that follows a script."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from grpc_health.v1 import health_pb2

from llmsvc_client import (
    Client,
    DeadlineExceededError,
    HealthStatus,
    NotFoundError,
    UnavailableError,
)
from tests.fakes.gate import Gate
from tests.fakes.scripted_answers import response
from tests.fakes.scripted_service import ScriptedService, Step

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
async def service() -> AsyncGenerator[ScriptedService]:
    async with ScriptedService(scripts=[[response("Hello")]]) as service:
        yield service


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (SERVING, HealthStatus.SERVING),
        (NOT_SERVING, HealthStatus.NOT_SERVING),
        (health_pb2.HealthCheckResponse.UNKNOWN, HealthStatus.UNKNOWN),
    ],
)
async def test_asks_for_readiness(
    service: ScriptedService, client: Client, state: int, status: HealthStatus
) -> None:
    service.states = {"readiness": state}

    assert status is await client.health()


async def test_asks_for_any_name(service: ScriptedService, client: Client) -> None:
    service.states = {"model/phi3:mini": SERVING}

    assert HealthStatus.SERVING is await client.health("model/phi3:mini")


async def test_a_name_that_does_not_exist_is_not_found(client: Client) -> None:
    with pytest.raises(NotFoundError):
        await client.health("nonsense")


async def test_a_silent_server_runs_into_the_deadline(
    service: ScriptedService, client: Client
) -> None:
    service.silent = Gate()

    with pytest.raises(DeadlineExceededError):
        await client.health(timeout_s=0.1)


async def test_watches_nothing_unless_it_balances(service: ScriptedService, client: Client) -> None:
    await client.chat("hi")

    assert not service.watched


async def test_balancing_watches_readiness(service: ScriptedService) -> None:
    async with Client(service.address, balance=True) as client:
        reply = await client.chat("hi")

        assert "Hello" == reply.text
        assert ["readiness"] == service.watched


async def test_balancing_asks_no_server_that_is_not_ready(service: ScriptedService) -> None:
    service.states = {"readiness": NOT_SERVING}

    async with Client(service.address, balance=True) as client:
        with pytest.raises(UnavailableError):
            await client.chat("hi")

    assert not service.calls


async def test_balancing_opens_more_connections_when_one_is_full() -> None:
    gate = Gate()
    script: list[Step] = [gate, response("Hello")]
    limit = ("grpc.max_concurrent_streams", 5)
    async with (
        ScriptedService(scripts=[script], options=[limit]) as service,
        Client(service.address, balance=True) as client,
        asyncio.TaskGroup() as tasks,
    ):
        calls = [tasks.create_task(client.chat("hi")) for _ in range(12)]
        await gate.reached(12)
        gate.open()

    assert {"Hello"} == {call.result().text for call in calls}
