"""Invariants 4 and 5 (docs/invariants.md): how many requests a call makes, and until when."""

import asyncio
import itertools

import pytest

from tests.fakes.stopwatch import Stopwatch
from tests.invariants.several import check_closed, nothing_runs, roomy, several
from tests.invariants.turns import NONSENSE, QUICK
from tests.scenarios.fault_server import FaultServer
from tests.scenarios.protocols import Fault, Protocol, refuse
from tests.scenarios.stage import Answer, Stage, Way
from tests.scenarios.steps import Begin, Cut, Reset, Say, Silence, Turn

NAMES = ("first", "second", "third", "fourth", "fifth")
MOST_REQUESTS = 4
SHORT_S = (0.3, 1.0, 3.0)
"""On a busy machine the shortest may be over before all are asked; the next one is tried then."""

TRIES = 3
"""What a call does too late it does every time, what a busy machine does is not."""

OPENS_A_BREAKER = 4
"""One failure more than what opens it."""

LONGER_S, RESERVE_S = 0.75, 0.15
"""A deadline, and what is kept of it for the status (docs/failover.md 4.1)."""

SLACK_S = 0.1
"""What a loaded machine may take on top; the clock of the rule is not the test's."""


def in_a_row(protocol: Protocol, count: int) -> dict[str, FaultServer]:
    """Return so many upstreams, the first of `protocol`, each of the next ones of another."""
    kinds = [*Protocol, *Protocol]
    first = kinds.index(protocol)
    return {
        name: FaultServer(kinds[(first + n) % len(Protocol)])
        for n, name in enumerate(NAMES[:count])
    }


async def all_down(protocol: Protocol, way: Way) -> tuple[Answer, list[int]]:
    """Return what a call gives where all of three stay down, and how often each was asked."""
    servers = in_a_row(protocol, 3)
    async with several(servers, stands_still=True) as stage:
        for server in servers.values():
            server.always([refuse(server.protocol, Fault.UNAVAILABLE)])
        given = await stage.ask(way)
        return given, [len(server.chats) for server in servers.values()]


async def test_invariant_04_three_candidates_that_stay_down_get_two_one_and_one(
    protocol: Protocol,
) -> None:
    for given, asked in await asyncio.gather(*(all_down(protocol, way) for way in Way)):
        assert "UNAVAILABLE" == given.code
        assert [2, 1, 1] == asked
        assert ["first", "first", "second", "third"] == [name for name, _ in given.attempts]


FAILING: dict[str, Turn] = {
    "reset": [Reset()],
    "silent": [Silence()],
    "cut before content": [Begin(), Cut()],
    "nonsense": [NONSENSE, Cut()],
    "cut after content": [Begin(), Say("a"), Cut()],
}


@pytest.mark.parametrize("turn", FAILING.values(), ids=FAILING.keys())
@pytest.mark.parametrize("count", [1, 5])
async def test_invariant_04_no_fault_makes_more_than_four_requests(
    turn: Turn, count: int, way: Way
) -> None:
    servers = in_a_row(Protocol.OLLAMA, count)
    quick = dict.fromkeys(servers, QUICK)
    async with several(servers, stands_still=True, entries=quick) as stage:
        for server in servers.values():
            server.always(turn)
        given = await stage.ask(way)
        asked = [len(server.chats) for server in servers.values()]

        assert "OK" != given.code
        assert 1 <= sum(asked) <= MOST_REQUESTS
        assert max(asked) <= 2
        assert sum(asked) == sum(one.content_sent for one in given.route.attempts)


async def test_invariant_05_a_short_deadline_on_a_silent_upstream_is_kept(
    protocol: Protocol, way: Way
) -> None:
    servers = {"primary": FaultServer(protocol)}
    async with several(servers, entries=roomy(servers)) as stage:
        stage.primary.always([Silence()])
        asked = 0
        for short_s in SHORT_S:
            before = len(stage.primary.chats)
            with Stopwatch() as watch:
                ends = await asyncio.gather(
                    *(stage.ask(way, timeout_s=short_s) for _ in range(OPENS_A_BREAKER))
                )
            assert {"DEADLINE_EXCEEDED"} == {given.code for given in ends}
            assert watch.passed_s <= short_s + SLACK_S
            asked = len(stage.primary.chats) - before
            if asked == OPENS_A_BREAKER:
                break
        await stage.primary.all_over()
        await nothing_runs(stage.service)

        assert OPENS_A_BREAKER == asked
        assert all(chat.left for chat in stage.primary.chats)
        check_closed(stage.service)


async def in_time(stage: Stage) -> tuple[list[Answer], float]:
    """Return how calls end that have a little time, and after which; the first try with all details, or the last."""
    ends: list[Answer] = []
    took_s = 0.0
    for _ in range(TRIES):
        with Stopwatch() as watch:
            ends = await asyncio.gather(*(stage.ask(way, timeout_s=LONGER_S) for way in Way))
        took_s = watch.passed_s
        if all(given.reason for given in ends):
            break
    return ends, took_s


async def test_invariant_05_the_status_comes_early_enough_to_bring_its_details(
    protocol: Protocol,
) -> None:
    servers = {"primary": FaultServer(protocol)}
    async with several(servers, entries=roomy(servers)) as stage:
        stage.primary.always([Silence()])

        ends, took_s = await in_time(stage)

        assert took_s <= LONGER_S - RESERVE_S + SLACK_S
        for given in ends:
            assert ("DEADLINE_EXCEEDED", "TIME_LIMIT_EXCEEDED") == (given.code, given.reason)
            assert [("primary", "TIME_LIMIT_EXCEEDED")] == given.attempts


async def starts(protocol: Protocol) -> list[tuple[float, float]]:
    """Return when requests of calls with little time came, and when at the latest they might have."""
    servers = in_a_row(protocol, 2)
    first, second = servers.values()
    latest_s: dict[str, float] = {}
    async with several(servers, entries=roomy(servers)) as stage:
        first.always([Silence()])
        second.always([refuse(second.protocol, Fault.UNAVAILABLE)])
        async with asyncio.TaskGroup() as group:
            for way, timeout_s in itertools.product(Way, (0.3, 0.6, 1.3)):
                text = f"{way.value} within {timeout_s}"
                reserve_s = min(0.15, timeout_s / 5)
                now_s = asyncio.get_running_loop().time()
                latest_s[text] = now_s + timeout_s - reserve_s + SLACK_S
                group.create_task(stage.ask(way, timeout_s=timeout_s, text=text))
        await nothing_runs(stage.service)
        starts_s = [
            (chat.at_s, latest)
            for chat in (*first.chats, *second.chats)
            for text, latest in latest_s.items()
            if text.encode() in chat.body
        ]

        assert first.chats
        assert second.chats
        assert len(first.chats) + len(second.chats) == len(starts_s)
        return starts_s


async def test_invariant_05_no_request_starts_in_the_reserve(protocol: Protocol) -> None:
    tried = [await starts(protocol)]
    while any(at_s > latest for at_s, latest in tried[-1]) and len(tried) < TRIES:
        tried.append(await starts(protocol))

    assert all(at_s <= latest for at_s, latest in tried[-1])
