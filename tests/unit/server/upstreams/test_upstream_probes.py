"""Probes: the calls that find out whether an upstream is well again."""

import asyncio
from contextlib import aclosing

import pytest

from llmsvc_server.chat.events import SIGN_OF_LIFE, Delta
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import BreakerState as State
from llmsvc_server.upstreams.verdicts import Verdicts
from tests.fakes.gate import Gate
from tests.fakes.scripted_provider import done
from tests.unit.server.upstreams.upstreams import CLOUD, Bench, unreachable


async def test_of_a_probe_a_failure_counts_at_once() -> None:
    bench, verdicts = Bench(), Verdicts()
    await bench.half_open()
    await bench.failure(ProviderError(ErrorKind.TRANSIENT), verdicts=verdicts)

    assert {} == verdicts
    assert State.OPEN is bench.answering.state


async def test_of_a_probe_first_content_is_enough() -> None:
    bench = Bench()
    await bench.half_open()
    gate = Gate()
    bench.adapter.will(SIGN_OF_LIFE, gate, Delta("a"), Gate())
    async with aclosing(bench.run()) as events, asyncio.TaskGroup() as group:
        first = group.create_task(anext(events))
        await gate.reached()
        alive = bench.answering.state
        gate.open()
        await first

    assert (State.HALF_OPEN, State.CLOSED) == (alive, bench.answering.state)


async def test_a_cloud_needs_two_probes() -> None:
    bench = Bench(info=CLOUD)
    await bench.half_open()
    await bench.read()
    first = bench.answering.state
    await bench.read()

    assert (State.HALF_OPEN, State.CLOSED) == (first, bench.answering.state)


async def test_a_call_under_way_when_it_opened_changes_nothing() -> None:
    bench = Bench()
    gate = Gate()
    bench.adapter.will(gate, Delta("late"), done())
    async with asyncio.TaskGroup() as group:
        late = group.create_task(bench.read())
        await gate.reached()
        await bench.half_open()
        gate.open()
        await late

    assert State.HALF_OPEN is bench.answering.state


@pytest.mark.parametrize("steps", [0, 1, 2])
async def test_wherever_a_probe_is_left_the_next_one_may_try(steps: int) -> None:
    bench = Bench(info=CLOUD)
    await bench.half_open()
    bench.adapter.will(SIGN_OF_LIFE, Delta("a"), done())
    events = bench.run()
    for _ in range(steps):
        await anext(events)
    await events.aclose()

    assert bench.refusal() is None
    assert 0 == bench.upstream.in_flight


async def test_while_it_does_not_have_the_model_it_stays_open() -> None:
    bench = Bench()
    await bench.trip()
    bench.facts[0].known = {""}
    bench.clock.advance(10)

    assert State.OPEN is bench.answering.state


async def test_being_seen_ends_the_open_time_of_connections_only() -> None:
    bench = Bench()
    await bench.trip(unreachable())
    bench.upstream.take_poll("ollama", seen=False)
    missed = bench.connecting.state
    bench.upstream.take_poll("ollama", seen=True)
    connecting = bench.connecting.state
    await bench.read()
    await bench.trip()
    bench.upstream.take_poll("ollama", seen=True)

    assert (State.OPEN, State.HALF_OPEN) == (missed, connecting)
    assert State.OPEN is bench.answering.state
