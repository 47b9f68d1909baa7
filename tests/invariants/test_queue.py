"""Invariants 11 and 12: who waits, how long, and where calls go (docs/invariants.md)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.gate import Gate
from tests.fakes.manual_clock import ManualClock
from tests.fakes.running_service import RunningService, running_service
from tests.fakes.stopwatch import Stopwatch
from tests.invariants.several import nothing_runs, several
from tests.scenarios.fault_server import FaultServer
from tests.scenarios.protocols import Fault, Protocol, refuse
from tests.scenarios.stage import FALLBACK_TEXT, Stage, Way, entry
from tests.scenarios.steps import answer

ONE_AT_A_TIME = {"max_in_flight_per_model": 1, "max_in_flight": 1}
LEAST_ANSWER_S = 1.0
"""What is kept of a deadline for an answer where nothing is known of its length."""

SLACK_S = 0.2


@asynccontextmanager
async def held(*, alone: bool, **more: object) -> AsyncIterator[tuple[Stage, Gate]]:
    """Run the service over an Ollama whose only place is taken by a call at the gate."""
    servers = {"primary": FaultServer(Protocol.OLLAMA)}
    if not alone:
        servers["fallback"] = FaultServer(Protocol.OPENAI, says=FALLBACK_TEXT)
    entries = {"primary": {**ONE_AT_A_TIME, **more}}
    async with (
        several(servers, entries=entries, sections={"server": {"max_chats": 8}}) as stage,
        asyncio.TaskGroup() as group,
    ):
        gate = Gate()
        stage.primary.always([gate, *answer()])
        holder = group.create_task(stage.ask(Way.STREAM, text="holder"))
        await gate.reached()
        yield stage, gate
        gate.open()
        assert "OK" == (await holder).code


@pytest.mark.parametrize(
    ("timeout_s", "queue_timeout_s", "waits_s"), [(2.0, 10.0, 0.5), (60.0, 0.3, 0.3)]
)
async def test_invariant_11_with_an_alternative_a_wait_is_short(
    way: Way, timeout_s: float, queue_timeout_s: float, waits_s: float
) -> None:
    async with held(alone=False, queue_timeout_s=queue_timeout_s) as (stage, _):
        now = asyncio.get_running_loop().time
        began_s = now()
        with Stopwatch() as watch:
            given = await stage.ask(way, timeout_s=timeout_s)
        took_s = now() - began_s

        assert FALLBACK_TEXT == given.text
        assert [("primary", "SERVER_OVERLOADED"), ("fallback", "OK")] == given.attempts
        assert waits_s * 0.8 <= took_s
        assert watch.passed_s <= waits_s + SLACK_S


async def test_invariant_11_without_one_a_wait_leaves_time_for_its_status(way: Way) -> None:
    async with held(alone=True) as (stage, _):
        with Stopwatch() as watch:
            given = await stage.ask(way, timeout_s=1.5)
        failure = given.failure
        assert failure is not None

        assert ("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED") == (failure.code, failure.reason)
        assert failure.detail(error_details_pb2.RetryInfo).retry_delay.seconds >= 1
        assert watch.passed_s <= 1.5 - LEAST_ANSWER_S + SLACK_S
        assert 1 == len(stage.primary.chats)


async def test_invariant_11_health_answers_while_everything_is_taken() -> None:
    async with held(alone=True) as (stage, gate), asyncio.TaskGroup() as group:
        waiting = [group.create_task(stage.ask(Way.CHAT)) for _ in range(7)]
        await eventually(lambda: stage.service.app.admission.running == 8)
        refused = await stage.ask(Way.CHAT)
        health = health_pb2_grpc.HealthStub(stage.service.channel)
        request = health_pb2.HealthCheckRequest(service="readiness")
        checked = await health.Check(request, timeout=PATIENCE_S)
        gate.open()
        answered = [(await one).code for one in waiting]

        assert "RESOURCE_EXHAUSTED" == refused.code
        assert health_pb2.HealthCheckResponse.SERVING == checked.status
        assert ["OK"] * 7 == answered
        await nothing_runs(stage.service)


REQUESTS, AT_ONCE = 200, 4
MOST_SHARE = 0.2


@asynccontextmanager
async def twins() -> AsyncIterator[tuple[FaultServer, FaultServer, RunningService]]:
    """Run the service over one Ollama at two addresses."""
    async with FaultServer(Protocol.OLLAMA) as well, FaultServer(Protocol.OLLAMA) as ill:
        own = entry(well, base_urls=[well.root, ill.root], max_in_flight_per_model=AT_ONCE)
        both = {name: value for name, value in own.items() if name != "base_url"}
        llm = {"providers": {"ollama": both}, "default_provider": "ollama"}
        async with running_service(llm) as service:
            await service.app.providers.inventory.wait_for_first_poll()
            yield well, ill, service


@pytest.mark.parametrize("fault", [Fault.TRANSIENT, Fault.SATURATED])
async def test_invariant_12_an_endpoint_that_fails_at_once_gets_a_fifth_at_most(
    fault: Fault,
) -> None:
    async with twins() as (well, ill, service):
        stage = Stage(primary=well, fallback=None, service=service, clock=ManualClock())
        ill.always([refuse(Protocol.OLLAMA, fault)])
        todo = iter(range(REQUESTS))

        async def ask_on() -> list[str]:
            return [(await stage.ask(Way.CHAT)).code for _ in todo]

        async with asyncio.TaskGroup() as group:
            lines = [group.create_task(ask_on()) for _ in range(AT_ONCE)]
        codes = [code for line in lines for code in line.result()]

        assert REQUESTS == len(codes)
        assert len(ill.chats) <= MOST_SHARE * REQUESTS
        assert codes.count("OK") >= (1 - MOST_SHARE) * REQUESTS
        assert ill.chats
