"""Invariants 7, 8 and 9: what opens a breaker, and who passes it (docs/invariants.md)."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from llmsvc_server.reports import BreakerState as State
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.requests import chat_message
from tests.invariants.several import check_closed, nothing_runs, roomy, several
from tests.invariants.streams import streamed
from tests.invariants.tripping import BEYOND_OPEN_S, opened, state_of, trip
from tests.invariants.turns import QUICK, refused
from tests.scenarios.fault_server import FaultServer
from tests.scenarios.protocols import Fault, Protocol
from tests.scenarios.stage import FALLBACK_OF, FALLBACK_TEXT, Answer, Stage, Way
from tests.scenarios.steps import Begin, Cut, Refuse, Say, Silence, Turn, answer

CALLERS = 100
TRIALS = {Protocol.OLLAMA: 1, Protocol.OPENAI: 2, Protocol.ANTHROPIC: 2}
SERVING = health_pb2.HealthCheckResponse.SERVING


def pair(protocol: Protocol, *, alone: bool = False) -> dict[str, FaultServer]:
    """Return a primary, and a fallback of another protocol unless it is alone."""
    servers = {"primary": FaultServer(protocol)}
    if not alone:
        servers["fallback"] = FaultServer(FALLBACK_OF[protocol], says=FALLBACK_TEXT)
    return servers


@pytest.mark.parametrize("alone", [False, True], ids=["with fallback", "alone"])
async def test_invariant_07_of_a_hundred_callers_one_passes_a_half_open_breaker(
    protocol: Protocol, *, alone: bool
) -> None:
    async with several(pair(protocol, alone=alone), stands_still=True) as stage:
        await trip(stage)
        before = len(stage.primary.chats)
        stage.clock.advance(BEYOND_OPEN_S)
        probe = Gate()
        stage.primary.always([probe, *answer()])
        async with asyncio.TaskGroup() as group:
            calls = [
                group.create_task(stage.ask(Way.STREAM if n % 2 else Way.CHAT))
                for n in range(CALLERS)
            ]
            await eventually(lambda: sum(call.done() for call in calls) == CALLERS - 1)
            during = len(stage.primary.chats) - before
            probe.open()
        ends = Counter((call.result().code, call.result().reason) for call in calls)

        assert 1 == during == len(stage.primary.chats) - before
        if alone:
            expected = Counter({("OK", ""): 1, ("UNAVAILABLE", "BREAKER_OPEN"): CALLERS - 1})
        else:
            expected = Counter({("OK", ""): CALLERS})
        assert expected == ends


async def test_invariant_07_where_a_probe_is_cancelled_the_next_caller_probes(
    protocol: Protocol, way: Way
) -> None:
    async with several(pair(protocol), stands_still=True) as stage:
        await trip(stage)
        before = len(stage.primary.chats)
        stage.clock.advance(BEYOND_OPEN_S)
        stage.primary.will([Silence()])
        method = stage.service.stub.Chat if way is Way.CHAT else stage.service.stub.ChatStream
        probe = method(chat_message())
        await eventually(lambda: len(stage.primary.chats) == before + 1)
        held_back = await stage.ask(way)
        probe.cancel()
        await nothing_runs(stage.service)
        assert State.HALF_OPEN is state_of(stage)
        after = [await stage.ask(way) for _ in range(TRIALS[protocol])]

        assert FALLBACK_TEXT == held_back.text
        assert {"from the primary"} == {given.text for given in after}
        assert State.CLOSED is state_of(stage)


async def test_invariant_07_a_late_failure_from_before_it_opened_has_no_effect(
    protocol: Protocol,
) -> None:
    servers = pair(protocol)
    async with (
        several(servers, stands_still=True, entries=roomy(servers)) as stage,
        asyncio.TaskGroup() as group,
    ):
        late = Gate()
        stage.primary.always([Begin(), Say("a"), late, Cut()])
        old = [group.create_task(streamed(stage.service)) for _ in range(3)]
        await late.reached(len(old))
        await trip(stage)
        stage.clock.advance(BEYOND_OPEN_S)
        for _ in range(TRIALS[protocol]):
            await stage.ask(Way.CHAT)
        assert State.CLOSED is state_of(stage)
        late.open()
        ends = [(await one).failure for one in old]

        assert ["STREAM_INTERRUPTED"] * 3 == [one.reason for one in ends if one]
        check_closed(stage.service)


async def test_invariant_07_a_late_answer_from_before_it_opened_has_no_effect(
    protocol: Protocol,
) -> None:
    servers = pair(protocol)
    async with (
        several(servers, stands_still=True, entries=roomy(servers)) as stage,
        asyncio.TaskGroup() as group,
    ):
        late = Gate()
        stage.primary.always([Begin(), Say("a"), late, *answer()[1:]])
        old = group.create_task(streamed(stage.service))
        await late.reached()
        await trip(stage)
        late.open()

        assert (await old).failure is None
        assert State.OPEN is state_of(stage)


async def check(stage: Stage, name: str) -> bool:
    """Return whether health says that `name` serves."""
    health = health_pb2_grpc.HealthStub(stage.service.channel)
    answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
    return bool(answer.status == SERVING)


async def test_invariant_08_time_alone_leaves_open_and_readiness_follows(
    protocol: Protocol,
) -> None:
    servers = pair(protocol, alone=True)
    async with several(servers, stands_still=True, entries={"primary": QUICK}) as stage:
        board = stage.service.app.board
        await trip(stage, [Silence()])
        asked = len(stage.primary.chats)
        stage.clock.advance(16)
        await eventually(lambda: not board.table["readiness"])
        unready = await check(stage, "readiness")
        stage.clock.advance(20)
        await eventually(lambda: board.table["readiness"])

        assert not unready
        assert await check(stage, "readiness")
        assert State.HALF_OPEN is state_of(stage)
        assert asked == len(stage.primary.chats)


async def test_invariant_08_a_local_one_stays_open_while_the_free_check_fails() -> None:
    servers = pair(Protocol.OLLAMA, alone=True)
    async with several(servers, stands_still=True) as stage:
        await trip(stage)
        stage.primary.stop()
        await eventually(lambda: not stage.lists_model)
        for _ in range(5):
            stage.clock.advance(BEYOND_OPEN_S)
            assert State.OPEN is state_of(stage)
        await stage.primary.start()
        await eventually(lambda: stage.lists_model)
        stage.clock.advance(BEYOND_OPEN_S)

        assert State.HALF_OPEN is state_of(stage)


EACH = 100
"""Calls at once; more than so many the server does not take over one connection."""

ROUNDS = 3
QUOTA = {
    Protocol.OPENAI: (429, {"code": "insufficient_quota", "type": "insufficient_quota"}),
    Protocol.ANTHROPIC: (402, {"type": "billing_error"}),
}


def neutral(protocol: Protocol) -> Iterator[Turn]:
    """Yield what says nothing of an upstream's health; a silence is for those who leave."""
    yield refused(protocol, Fault.CALLER)
    yield refused(protocol, Fault.RATE_LIMIT)
    if protocol is Protocol.OLLAMA:  # knows no quota
        yield refused(protocol, Fault.CREDENTIAL)
    else:
        status, error = QUOTA[protocol]
        yield [Refuse(status, json.dumps({"type": "error", "error": error}).encode())]
    yield [Begin(), Silence()]


async def test_invariant_09_a_thousand_faults_of_others_leave_every_breaker_closed(
    protocol: Protocol,
) -> None:
    more = {"max_in_flight_per_model": EACH} if protocol is Protocol.OLLAMA else {}
    entries = {"primary": {"max_in_flight": EACH, **more}}
    servers = pair(protocol, alone=True)
    async with several(servers, stands_still=True, entries=entries) as stage:
        for turn in [*neutral(protocol)] * ROUNDS:
            ends = await all_at_once(stage, turn)

            assert "OK" not in ends
            assert EACH == ends.total()
            assert set() == opened(stage.service)
            stage.clock.advance(1e6)
            stage.primary.always(answer())
            assert "OK" == (await stage.ask(Way.CHAT)).code  # which ends the block, if any

        assert len(stage.primary.chats) >= 1000


async def all_at_once(stage: Stage, turn: Turn) -> Counter[str]:
    """Return how many calls end with each status, all made before the first one ends."""
    gate = Gate()
    stage.primary.always([gate, *turn])
    stub = stage.service.stub
    if isinstance(turn[-1], Silence):
        calls: list[grpc.aio.Call] = [
            (stub.Chat if n % 2 else stub.ChatStream)(chat_message()) for n in range(EACH)
        ]
        await gate.reached(EACH)
        for n, one in enumerate(calls):
            if n % 2:
                gate.open()
            one.cancel()
        codes = [(await one.code()).name for one in calls]
        await nothing_runs(stage.service)
        return Counter(codes)
    async with asyncio.TaskGroup() as group:
        asked: list[asyncio.Task[Answer]] = [
            group.create_task(stage.ask(Way.CHAT if n % 2 else Way.STREAM)) for n in range(EACH)
        ]
        await gate.reached(EACH)
        gate.open()
    await nothing_runs(stage.service)
    return Counter(call.result().code for call in asked)
