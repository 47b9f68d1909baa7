import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from llmsvc_server.chat.events import Delta
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import BreakerState as State
from llmsvc_server.routing.breaker import STREAK
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.requests import limits_of
from tests.fakes.scripted_provider import done
from tests.unit.server.routing.endpoints import MODEL, unreachable
from tests.unit.server.routing.pools import PoolBench, outcome, read


async def test_an_endpoint_that_is_down_refuses_at_once() -> None:
    bench = PoolBench()
    bench.one.known.clear()
    refusal = bench.pool.refusal(MODEL, only_candidate=True)

    assert isinstance(refusal, ProviderError)
    assert refusal.kind is ErrorKind.CONNECT
    assert not refusal.called
    assert ErrorKind.CONNECT is await outcome(bench.pool)
    assert [0] == bench.calls


async def test_of_several_refusals_the_one_that_ends_first_is_told() -> None:
    bench = PoolBench(endpoints=2)
    for _ in range(STREAK):
        for each in bench.benches:
            each.endpoint.load_failed(ProviderError(ErrorKind.TRANSIENT), MODEL)
        bench.clock.advance(1)
    bench.one.known.discard(MODEL)
    bench.clock.advance(5)
    bench.one.known.add(MODEL)
    bench.other.endpoint.load_failed(unreachable(), MODEL)
    refusal = bench.pool.refusal(MODEL, only_candidate=False)

    assert refusal is not None
    assert "ollama#1" == refusal.endpoint


async def test_waiters_are_sent_away_when_the_breaker_opens() -> None:
    bench = PoolBench()
    gate = Gate()
    bench.one.inner.usually(gate, ProviderError(ErrorKind.TRANSIENT))
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(outcome(bench.pool)) for _ in range(30)]
        await gate.reached()
        await eventually(lambda: bench.waiting() == 29)
        gate.open()
    kinds = Counter(task.result() for task in asking)

    assert kinds[ErrorKind.TRANSIENT] <= STREAK + 1
    assert 30 == kinds[ErrorKind.TRANSIENT] + kinds[ErrorKind.OPEN]


async def test_waiters_are_sent_away_when_the_account_is_blocked() -> None:
    bench = PoolBench()
    gate = Gate()
    bench.one.inner.usually(gate, ProviderError(ErrorKind.RATE_LIMIT, retry_after_s=9))
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(outcome(bench.pool)) for _ in range(10)]
        await gate.reached()
        await eventually(lambda: bench.waiting() == 9)
        gate.open()

    assert {ErrorKind.RATE_LIMIT} == {task.result() for task in asking}
    assert [1] == bench.calls


async def test_waiters_are_served_when_an_endpoint_comes_back() -> None:
    bench = PoolBench(endpoints=2)
    bench.other.known.clear()
    gate = Gate()
    bench.one.inner.will(gate, done())
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(outcome(bench.pool))
        await gate.reached()
        waiter = group.create_task(outcome(bench.pool))
        await eventually(lambda: bench.waiting() == 1)
        bench.other.known.update({"", MODEL})
        bench.pool.changed()
        assert "answer" == await waiter
        gate.open()

    assert [1, 1] == bench.calls


async def test_waiters_are_served_when_a_breaker_closes() -> None:
    bench = PoolBench(endpoints=2)
    busy, trial = Gate(), Gate()
    bench.one.inner.will(busy, done())
    bench.other.endpoint.hold_back(MODEL)
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(outcome(bench.pool))
        await busy.reached()
        waiter = group.create_task(outcome(bench.pool))
        await eventually(lambda: bench.waiting() == 1)
        bench.other.endpoint.let_through(MODEL)
        assert "answer" == await waiter
        busy.open()

    assert 0 == trial.arrivals
    assert [1, 1] == bench.calls


@pytest.mark.parametrize("callers", [100, 512])
async def test_half_open_lets_one_of_many_through(callers: int) -> None:
    bench = PoolBench(places=callers)
    await bench.one.trip(ErrorKind.TRANSIENT)
    bench.clock.advance(10)
    before = len(bench.one.inner.calls)
    gate = Gate()
    bench.one.inner.will(gate, Delta("a"), done())
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(outcome(bench.pool)) for _ in range(callers)]
        await gate.reached()
        await eventually(lambda: sum(task.done() for task in asking) == callers - 1)
        on_trial = len(bench.one.inner.calls) - before
        gate.open()
    kinds = Counter(task.result() for task in asking)

    assert 1 == on_trial
    assert {"answer": 1, ErrorKind.OPEN: callers - 1} == kinds
    assert State.CLOSED is bench.one.answering.state


async def test_who_has_nowhere_else_to_go_passes_an_open_breaker_once_a_second() -> None:
    bench = PoolBench(places=8)
    await bench.one.trip(ErrorKind.TRANSIENT)
    before = len(bench.one.inner.calls)
    bench.one.inner.usually(ProviderError(ErrorKind.TRANSIENT))
    kinds = []
    for _ in range(4):
        only_candidate = [replace(limits_of(), only_candidate=True) for _ in range(5)]
        kinds += [await outcome(bench.pool, limits=limits) for limits in only_candidate]
        bench.clock.advance(1)

    assert 4 == len(bench.one.inner.calls) - before
    assert {ErrorKind.TRANSIENT: 4, ErrorKind.OPEN: 16} == Counter(kinds)


async def test_the_least_busy_endpoint_is_taken() -> None:
    bench = PoolBench(endpoints=2, places=4)
    gate = Gate()
    for each in bench.benches:
        each.inner.usually(gate, done())
    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            _ = group.create_task(read(bench.pool))
        await gate.reached(6)
        gate.open()

    assert [3, 3] == bench.calls


async def test_an_endpoint_with_the_model_in_memory_is_preferred_and_waited_for() -> None:
    bench = PoolBench(endpoints=2, places=2)
    bench.unloaded.add(("ollama#1", MODEL))
    gate = Gate()
    bench.other.inner.usually(gate, done())
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            _ = group.create_task(read(bench.pool))
        await gate.reached(2)
        gate.open()

    assert [0, 5] == bench.calls


async def test_an_endpoint_in_trouble_is_asked_only_where_no_other_may_be() -> None:
    bench = PoolBench(endpoints=2, places=2)
    await bench.one.failure(ProviderError(ErrorKind.TRANSIENT))
    for _ in range(5):
        await read(bench.pool)
    while_troubled = bench.calls
    bench.other.known.clear()
    await read(bench.pool)

    assert [1, 5] == while_troubled
    assert [2, 5] == bench.calls


@pytest.mark.parametrize("at_once", [1, 10])
@pytest.mark.parametrize(
    "error", [ProviderError(ErrorKind.TRANSIENT), unreachable()], ids=["failing", "unreachable"]
)
async def test_an_endpoint_that_fails_at_once_is_no_black_hole(
    error: ProviderError, at_once: int
) -> None:
    bench = PoolBench(endpoints=2, places=2)
    bench.one.inner.usually(error)
    answers = 0
    for _ in range(200 // at_once):
        bench.clock.advance(0.2)
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(outcome(bench.pool)) for _ in range(at_once)]
        answers += sum(task.result() == "answer" for task in asking)

    assert bench.calls[0] <= 40
    assert 200 == sum(bench.calls)
    assert 200 - bench.calls[0] == answers
