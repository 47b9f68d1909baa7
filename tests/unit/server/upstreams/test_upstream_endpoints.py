import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from llmsvc_server.chat.events import Delta
from llmsvc_server.chat.features import Capability
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import BreakerState as State
from llmsvc_server.upstreams.breaker import STREAK
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.requests import limits_of
from tests.fakes.scripted_provider import done
from tests.fakes.upstreams import MODEL
from tests.unit.server.upstreams.upstreams import Bench, unreachable


async def test_an_endpoint_that_is_down_refuses_at_once() -> None:
    bench = Bench(places=1)
    bench.facts[0].known.clear()
    refusal = bench.refusal(only_candidate=True)

    assert isinstance(refusal, ProviderError)
    assert refusal.kind is ErrorKind.CONNECT
    assert not refusal.called
    assert ErrorKind.CONNECT is await bench.outcome()
    assert [0] == bench.calls


async def test_of_several_refusals_the_one_that_ends_first_is_told() -> None:
    bench = Bench(places=1, endpoints=2)
    for _ in range(STREAK):
        for each in bench.upstream.endpoints:
            each.take_failed_load(ProviderError(ErrorKind.TRANSIENT), MODEL)
        bench.clock.advance(1)
    bench.facts[0].known.discard(MODEL)
    bench.clock.advance(5)
    bench.facts[0].known.add(MODEL)
    bench.upstream.endpoints[1].take_failed_load(unreachable(), MODEL)
    refusal = bench.refusal(only_candidate=False)

    assert refusal is not None
    assert "ollama#1" == refusal.endpoint


async def test_waiters_are_sent_away_when_the_breaker_opens() -> None:
    bench = Bench(places=1)
    gate = Gate()
    bench.adapter.usually(gate, ProviderError(ErrorKind.TRANSIENT))
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(bench.outcome()) for _ in range(30)]
        await gate.reached()
        await eventually(lambda: bench.waiting() == 29)
        gate.open()
    kinds = Counter(task.result() for task in asking)

    assert kinds[ErrorKind.TRANSIENT] <= STREAK + 1
    assert 30 == kinds[ErrorKind.TRANSIENT] + kinds[ErrorKind.OPEN]


async def test_waiters_are_sent_away_when_the_account_is_blocked() -> None:
    bench = Bench(places=1)
    gate = Gate()
    bench.adapter.usually(gate, ProviderError(ErrorKind.RATE_LIMIT, retry_after_s=9))
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(bench.outcome()) for _ in range(10)]
        await gate.reached()
        await eventually(lambda: bench.waiting() == 9)
        gate.open()

    assert {ErrorKind.RATE_LIMIT} == {task.result() for task in asking}
    assert [1] == bench.calls


async def test_waiters_are_served_when_an_endpoint_comes_back() -> None:
    bench = Bench(places=1, endpoints=2)
    bench.facts[1].known.clear()
    gate = Gate()
    bench.adapter.will(gate, done())
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(bench.outcome())
        await gate.reached()
        waiter = group.create_task(bench.outcome())
        await eventually(lambda: bench.waiting() == 1)
        bench.facts[1].known.update({"", MODEL})
        bench.upstream.take_poll("", seen=False)
        assert "answer" == await waiter
        gate.open()

    assert [1, 1] == bench.calls


async def test_waiters_are_served_where_an_endpoint_is_let_through_again() -> None:
    bench = Bench(places=1, endpoints=2)
    busy, trial = Gate(), Gate()
    bench.adapter.will(busy, done())
    bench.upstream.endpoints[1].held_back.add(MODEL)
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(bench.outcome())
        await busy.reached()
        waiter = group.create_task(bench.outcome())
        await eventually(lambda: bench.waiting() == 1)
        bench.upstream.endpoints[1].held_back.discard(MODEL)
        bench.upstream.take_poll("", seen=False)
        assert "answer" == await waiter
        busy.open()

    assert 0 == trial.arrivals
    assert [1, 1] == bench.calls


@pytest.mark.parametrize("callers", [100, 512])
async def test_half_open_lets_one_of_many_through(callers: int) -> None:
    bench = Bench(places=callers)
    await bench.trip()
    bench.clock.advance(10)
    before = len(bench.adapter.calls)
    gate = Gate()
    bench.adapter.will(gate, Delta("a"), done())
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(bench.outcome()) for _ in range(callers)]
        await gate.reached()
        await eventually(lambda: sum(task.done() for task in asking) == callers - 1)
        on_trial = len(bench.adapter.calls) - before
        gate.open()
    kinds = Counter(task.result() for task in asking)

    assert 1 == on_trial
    assert {"answer": 1, ErrorKind.OPEN: callers - 1} == kinds
    assert State.CLOSED is bench.answering.state


async def test_who_has_nowhere_else_to_go_passes_an_open_breaker_once_a_second() -> None:
    bench = Bench(places=8)
    await bench.trip()
    before = len(bench.adapter.calls)
    bench.adapter.usually(ProviderError(ErrorKind.TRANSIENT))
    kinds = []
    for _ in range(4):
        only_candidate = [replace(limits_of(), only_candidate=True) for _ in range(5)]
        kinds += [await bench.outcome(limits=limits) for limits in only_candidate]
        bench.clock.advance(1)

    assert 4 == len(bench.adapter.calls) - before
    assert {ErrorKind.TRANSIENT: 4, ErrorKind.OPEN: 16} == Counter(kinds)


async def test_the_least_busy_endpoint_is_taken() -> None:
    bench = Bench(endpoints=2, places=4)
    gate = Gate()
    for adapter in bench.adapters:
        adapter.usually(gate, done())
    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            _ = group.create_task(bench.read())
        await gate.reached(6)
        gate.open()

    assert [3, 3] == bench.calls


async def test_an_endpoint_with_the_model_in_memory_is_preferred_and_waited_for() -> None:
    bench = Bench(endpoints=2, places=2)
    bench.facts[0].in_memory = False
    gate = Gate()
    bench.adapters[1].usually(gate, done())
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            _ = group.create_task(bench.read())
        await gate.reached(2)
        gate.open()

    assert [0, 5] == bench.calls


async def test_an_endpoint_in_trouble_is_asked_only_where_no_other_may_be() -> None:
    bench = Bench(endpoints=2, places=2)
    await bench.failure(ProviderError(ErrorKind.TRANSIENT))
    for _ in range(5):
        await bench.read()
    while_troubled = bench.calls
    bench.facts[1].known.clear()
    await bench.read()

    assert [1, 5] == while_troubled
    assert [2, 5] == bench.calls


@pytest.mark.parametrize("at_once", [1, 10])
@pytest.mark.parametrize(
    "error", [ProviderError(ErrorKind.TRANSIENT), unreachable()], ids=["failing", "unreachable"]
)
async def test_an_endpoint_that_fails_at_once_is_no_black_hole(
    error: ProviderError, at_once: int
) -> None:
    bench = Bench(endpoints=2, places=2)
    bench.adapter.usually(error)
    answers = 0
    for _ in range(200 // at_once):
        bench.clock.advance(0.2)
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(bench.outcome()) for _ in range(at_once)]
        answers += sum(task.result() == "answer" for task in asking)

    assert bench.calls[0] <= 40
    assert 200 == sum(bench.calls)
    assert 200 - bench.calls[0] == answers


async def test_who_comes_finds_a_place_that_time_alone_has_freed_for_who_waits() -> None:
    bench = Bench(places=1, endpoints=2)
    bench.facts[1].known.discard(MODEL)
    await bench.trip()
    bench.facts[1].known.add(MODEL)
    gate = Gate()
    bench.adapters[1].usually(gate, done())
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(bench.outcome())
        await gate.reached()
        waits = group.create_task(bench.outcome())
        await eventually(lambda: bench.waiting() == 1)
        bench.clock.advance(10)  # the first endpoint's breaker is half open
        comes = group.create_task(bench.outcome())
        await eventually(lambda: waits.done() and comes.done())
        gate.open()

    assert ["answer", "answer"] == [waits.result(), comes.result()]
    assert [STREAK + 2, 1] == bench.calls


async def test_what_one_machine_lacks_the_pool_lacks() -> None:
    bench = Bench(endpoints=3)
    first, second, third = bench.adapters
    first.lacks, third.lacks = frozenset({Capability.TOOLS}), frozenset({Capability.JSON_OBJECT})
    bench.facts[2].known.discard(MODEL)
    needs = frozenset(Capability)

    assert {Capability.TOOLS} == bench.upstream.missing(MODEL, needs)
    second.lacks = frozenset({Capability.JSON_SCHEMA})
    assert {Capability.TOOLS, Capability.JSON_SCHEMA} == bench.upstream.missing(MODEL, needs)
