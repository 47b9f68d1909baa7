"""Invariant 10: however many want a cold model, it is loaded once (docs/invariants.md)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from llmsvc_server.reports import BreakerState as State
from llmsvc_server.upstreams.breaker import STREAK
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.requests import chat_message
from tests.fakes.running_service import RunningService, over_ollama, running_service
from tests.integration.calling import failure_of, text_of, whole
from tests.invariants.several import breakers, check_closed, nothing_runs

MODEL = "phi3:mini"
CALLERS = 20
OFTEN = {"refresh_s": 0.1}


@asynccontextmanager
async def cold() -> AsyncIterator[tuple[FakeOllama, Gate, RunningService]]:
    """Run the service over an Ollama whose load waits at a gate."""
    gate = Gate()
    async with FakeOllama(models=(MODEL,), num_parallel=CALLERS) as fake:
        fake.world.load_gate = gate
        llm = over_ollama(fake, max_in_flight_per_model=CALLERS)
        async with running_service(llm, health=OFTEN) as service:
            yield fake, gate, service


async def waiting(service: RunningService, gate: Gate, *, loads: int = 1) -> None:
    """Wait until the requests of all callers are read, and so many loads have begun in all."""
    await gate.reached(loads)
    await eventually(lambda: service.app.admission.running == CALLERS)


async def test_invariant_10_many_callers_are_one_load() -> None:
    async with cold() as (fake, gate, service):
        async with asyncio.TaskGroup() as group:
            calls = [
                group.create_task(whole(service) if n % 2 else text_of(service))
                for n in range(CALLERS)
            ]
            await waiting(service, gate)
            gate.open()

        assert {fake.conversation.answer} == {call.result() for call in calls}
        assert 1 == fake.world.loads_started == len(fake.moves)


async def test_invariant_10_the_load_outlives_all_of_them() -> None:
    async with cold() as (fake, gate, service):
        stub = service.stub
        calls: list[grpc.aio.Call] = [
            (stub.Chat if n % 2 else stub.ChatStream)(chat_message()) for n in range(CALLERS)
        ]
        await waiting(service, gate)
        for call in calls:
            call.cancel()
        await nothing_runs(service)
        gate.open()
        await eventually(lambda: fake.world.loads_finished == 1)

        assert fake.conversation.answer == await whole(service)
        assert (1, 0) == (fake.world.loads_started, fake.world.loads_aborted)
        check_closed(service)


async def test_invariant_10_its_failure_is_one_verdict() -> None:
    states: list[State] = []
    async with cold() as (fake, gate, service):
        fake.world.load_error = (500, "unable to load model")
        for n in range(STREAK):
            gate.close()
            async with asyncio.TaskGroup() as group:
                calls = [group.create_task(failure_of(whole(service))) for _ in range(CALLERS)]
                await waiting(service, gate, loads=n + 1)
                gate.open()
            ends = Counter((call.result().code, call.result().reason) for call in calls)
            states.append(breakers(service)[f"ollama/{MODEL}"])

            assert Counter({("UNAVAILABLE", "PROVIDER_ERROR"): CALLERS}) == ends

        assert STREAK == fake.world.loads_started
        assert [State.CLOSED, State.CLOSED, State.OPEN] == states
        assert not fake.chats
