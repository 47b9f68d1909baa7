"""Invariant 17: what is waited out, how long, and how far apart (docs/invariants.md)."""

import asyncio
import random
from dataclasses import replace

import pytest

from llmsvc_server.chat.route import Privacy
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.plan import Plan
from llmsvc_server.routing.schedule import JITTER_S, Schedule, Step
from tests.fakes.eventually import eventually
from tests.fakes.manual_clock import ManualClock
from tests.fakes.requests import chat_request, in_s
from tests.fakes.stopwatch import Stopwatch
from tests.invariants.several import nothing_runs, roomy, several
from tests.scenarios.fault_server import FaultServer
from tests.scenarios.protocols import Fault, Protocol, refuse
from tests.scenarios.stage import Way
from tests.unit.server.routing.candidates import Asked

TOLD_S = 0.6
CALLERS = 40
SEEDS = 400


async def test_invariant_17_nobody_calls_earlier_than_was_told(protocol: Protocol) -> None:
    servers = {"primary": FaultServer(protocol)}
    async with several(servers, entries=roomy(servers)) as stage:
        stage.primary.will([refuse(protocol, Fault.RATE_LIMIT, retry_after=str(TOLD_S))])
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(stage.ask(Way.STREAM))]
            await eventually(lambda: bool(stage.service.reporter.attempts))
            calls += [group.create_task(stage.ask(way)) for way in Way for _ in range(CALLERS // 2)]
        first, *later = sorted(chat.at_s for chat in stage.primary.chats)

        assert {"OK"} == {call.result().code for call in calls}
        assert CALLERS + 1 == len(later)
        assert min(later) - first >= TOLD_S
        assert max(later) - min(later) >= JITTER_S / 2


@pytest.mark.parametrize("told_s", ["0.9", "3", "9"])
async def test_invariant_17_nobody_waits_for_more_than_half_of_the_time_left(
    protocol: Protocol, way: Way, told_s: str
) -> None:
    async with several({"primary": FaultServer(protocol)}, stands_still=True) as stage:
        stage.primary.always([refuse(protocol, Fault.RATE_LIMIT, retry_after=told_s)])
        with Stopwatch() as watch:
            given = await stage.ask(way, timeout_s=1.5)

        assert ("RESOURCE_EXHAUSTED", "PROVIDER_RATE_LIMITED") == (given.code, given.reason)
        assert given.has_retry_info
        assert 1 == len(stage.primary.chats)
        assert watch.passed_s < 0.5
        await nothing_runs(stage.service)


def paused_s(seed: int, error: ProviderError) -> float:
    """Return the pause before the second attempt of a call spread by `seed`."""
    schedule = Schedule(
        Plan(privacy=Privacy.CLOUD_ALLOWED, entries=[Asked().candidate()], is_cut=False),
        chat_request(),
        in_s(60.0, ManualClock()),
        remote_when_busy=True,
        rng=random.Random(seed),  # noqa: S311  a seed is the point
    )
    first = schedule.next()
    assert isinstance(first, Step)
    candidate = first.candidate
    failure = replace(error, provider=candidate.info, model=candidate.model)
    again = schedule.fail(first, failure, ran_s=0.0)
    assert isinstance(again, Step)
    return again.pause_s


@pytest.mark.parametrize("told_s", [0.0, 2.0])
def test_invariant_17_waits_spread_over_the_whole_jitter(told_s: float) -> None:
    pauses_s = [
        paused_s(
            seed,
            ProviderError(ErrorKind.RATE_LIMIT, retry_after_s=told_s)
            if told_s
            else ProviderError(ErrorKind.TRANSIENT),
        )
        for seed in range(SEEDS)
    ]
    tenths = {int((pause_s - told_s) / JITTER_S * 10) for pause_s in pauses_s}

    assert set(range(10)) == tenths
