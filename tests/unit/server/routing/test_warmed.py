import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.events import Delta, Phase, Waiting
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import BreakerState as State
from llmsvc_server.routing.breaker import STREAK
from llmsvc_server.routing.warmed import Warmed
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.requests import chat_request, limits_of
from tests.fakes.scripted_provider import done
from tests.unit.server.routing.endpoints import MODEL, silent
from tests.unit.server.routing.pools import PoolBench, outcome, read
from tests.unit.server.routing.warming import Detached, LoadBench

ANSWER = [Waiting(Phase.PROVIDER), Delta("hello"), done()]


class WarmBench(PoolBench):
    """A pool whose endpoints load; nothing is in memory at first.

    Attributes:
        loading: The loads of each endpoint, in order.
        warmed: The wrapper.
    """

    def __init__(
        self, detached: Detached, *, endpoints: int = 1, places: int = 8, confirm_s: float = 5.0
    ) -> None:
        """Be up, with one model, in memory nowhere."""
        super().__init__(endpoints=endpoints, places=places)
        self.loading = [
            LoadBench(
                detached,
                clock=self.clock,
                name=bench.endpoint.name,
                confirm_s=confirm_s,
                failed=bench.endpoint.load_failed,
            )
            for bench in self.benches
        ]
        loads = {
            bench.endpoint: one.loads for bench, one in zip(self.benches, self.loading, strict=True)
        }
        self.in_memory = lambda endpoint, model: loads[endpoint].is_loaded(model)
        self.warmed = Warmed(self.pool, loads, patience=self.patience)

    @property
    def source(self) -> LoadBench:
        """The loads of the first endpoint."""
        return self.loading[0]

    def has(self, *places: int) -> None:
        """Have the model in memory at these endpoints."""
        for place in places:
            self.loading[place].seen = {MODEL}

    @property
    def asked(self) -> list[int]:
        """How many loads each endpoint was asked for."""
        return [len(one.source.asked) for one in self.loading]


@pytest.fixture
async def detached() -> AsyncIterator[Detached]:
    async with Detached() as tasks:
        yield tasks


async def told(bench: WarmBench, limits: AttemptLimits | None = None) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        await read(bench.warmed, limits=limits)
    return raised.value


async def test_a_model_in_memory_is_asked_at_once(detached: Detached) -> None:
    bench = WarmBench(detached)
    bench.has(0)

    assert ANSWER == await read(bench.warmed)
    assert [0] == bench.asked
    assert bench.pool.info is bench.warmed.info


async def test_a_cold_one_is_waited_for_and_then_asked_with_patience_anew(
    detached: Detached,
) -> None:
    bench = WarmBench(detached)
    limits = limits_of(first_token_s=1)
    events = await read(bench.warmed, limits=limits)
    given = bench.one.inner.calls[0].limits.first_token_by

    assert [Waiting(Phase.LOADING), *ANSWER] == events
    assert [1] == bench.asked
    assert 5 < given.at_s - limits.first_token_by.at_s <= 7


async def test_no_place_is_held_while_it_loads(detached: Detached) -> None:
    bench = WarmBench(detached, places=1)
    bench.source.source.gate.close()
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(outcome(bench.warmed)) for _ in range(20)]
        await bench.source.source.gate.reached()
        held = bench.pool.in_flight
        bench.source.source.gate.open()

    assert 0 == held
    assert ["answer"] * 20 == [task.result() for task in asking]
    assert [1] == bench.asked


async def test_the_load_goes_on_when_everybody_left(detached: Detached) -> None:
    bench = WarmBench(detached)
    bench.source.source.gate.close()
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(read(bench.warmed)) for _ in range(3)]
        await bench.source.source.gate.reached()
        for task in asking:
            task.cancel()
    bench.source.source.gate.open()
    await eventually(lambda: bench.source.loads.is_loaded(MODEL))

    assert [0] == bench.calls
    assert ANSWER == await read(bench.warmed)


async def test_where_another_could_answer_a_load_too_long_is_not_waited_for(
    detached: Detached,
) -> None:
    bench = WarmBench(detached)
    await bench.source.load(MODEL, 20)
    bench.source.loads.looked()
    bench.source.source.gate.close()
    error = await told(bench, limits_of(60, first_token_s=10, fallback_follows=True))
    await bench.source.source.gate.reached(2)

    assert error.kind is ErrorKind.COLD_LOAD
    assert (20, False, "load") == (error.retry_after_s, error.called, error.phase)
    assert bench.source.loads.is_loading(MODEL)
    assert [0] == bench.calls


async def test_where_nobody_else_could_it_is(detached: Detached) -> None:
    bench = WarmBench(detached)

    assert "answer" == await outcome(bench.warmed, limits=limits_of(10))


async def test_a_wait_in_vain_says_how_long_it_takes_still(detached: Detached) -> None:
    bench = WarmBench(detached)
    bench.source.source.gate.close()
    error = await told(bench, limits_of(60, first_token_s=0.02))

    assert error.kind is ErrorKind.COLD_LOAD
    assert (30, False) == (error.retry_after_s, error.called)
    assert bench.source.loads.is_loading(MODEL)


async def test_a_failed_load_is_told_to_all_and_counts_once(detached: Detached) -> None:
    bench = WarmBench(detached)
    kinds = []
    for _ in range(STREAK):
        bench.source.source.gate.close()
        bench.source.source.failures = [ProviderError(ErrorKind.LOAD_FAILED)]
        before = bench.source.source.gate.arrivals
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(outcome(bench.warmed)) for _ in range(10)]
            await bench.source.source.gate.reached(before + 1)
            kinds.append(bench.one.answering.state)
            bench.source.source.gate.open()
        assert {ErrorKind.LOAD_FAILED} == {task.result() for task in asking}

    assert [State.CLOSED] * STREAK == kinds
    assert State.OPEN is bench.one.answering.state
    assert ErrorKind.OPEN is await outcome(bench.warmed)
    assert [STREAK] == bench.asked


@pytest.mark.parametrize(
    "error",
    [ProviderError(ErrorKind.TRANSIENT, engine_died=True), ProviderError(ErrorKind.LOAD_FAILED)],
)
async def test_a_dead_engine_is_loaded_before_it_is_asked_again(
    detached: Detached, error: ProviderError
) -> None:
    bench = WarmBench(detached)
    bench.has(0)
    bench.one.inner.will(error)
    await told(bench)
    asked = list(bench.asked)
    events = await read(bench.warmed)

    assert [0] == asked
    assert Waiting(Phase.LOADING) == events[0]
    assert [1] == bench.asked


async def test_an_ordinary_failure_says_nothing_of_the_engine(detached: Detached) -> None:
    bench = WarmBench(detached)
    bench.has(0)
    bench.one.inner.will(ProviderError(ErrorKind.TRANSIENT))
    await told(bench)

    assert ANSWER == await read(bench.warmed)


async def test_an_upstream_that_says_it_is_loading_is_believed(detached: Detached) -> None:
    bench = WarmBench(detached)
    bench.has(0)
    bench.source.source.gate.close()
    bench.one.inner.will(ProviderError(ErrorKind.COLD_LOAD, row="O10a"))
    error = await told(bench)

    assert 30 == error.retry_after_s
    assert bench.source.loads.is_loading(MODEL)


async def test_silence_of_a_model_that_is_not_in_memory_after_all_is_a_load(
    detached: Detached,
) -> None:
    bench = WarmBench(detached, confirm_s=0.02)
    bench.has(0)
    bench.source.source.gate.close()
    bench.one.inner.will(silent())
    error = await told(bench)

    assert error.kind is ErrorKind.COLD_LOAD
    assert (30, None, True) == (error.retry_after_s, error.verdict, error.called)
    assert bench.source.loads.is_loading(MODEL)
    assert 0 == bench.pool.in_flight


async def test_silence_of_a_model_in_memory_counts(detached: Detached) -> None:
    bench = WarmBench(detached)
    bench.has(0)
    bench.one.inner.usually(silent())
    kinds = [await outcome(bench.warmed) for _ in range(STREAK)]

    assert [ErrorKind.SILENT] * STREAK == kinds
    assert State.OPEN is bench.one.answering.state


async def test_where_no_endpoint_may_be_called_nothing_is_loaded(detached: Detached) -> None:
    bench = WarmBench(detached)
    bench.one.known.clear()
    error = await told(bench)

    assert error.kind is ErrorKind.CONNECT
    assert [0] == bench.asked


async def test_the_endpoint_that_has_it_is_asked_and_the_other_left_cold(
    detached: Detached,
) -> None:
    bench = WarmBench(detached, endpoints=2)
    bench.has(1)
    await read(bench.warmed)

    assert [0, 0] == bench.asked
    assert [0, 1] == bench.calls


async def test_a_load_that_runs_already_is_joined(detached: Detached) -> None:
    bench = WarmBench(detached, endpoints=2)
    bench.loading[1].source.gate.close()
    bench.loading[1].loads.begin(MODEL)
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(read(bench.warmed))
        await bench.loading[1].source.gate.reached()
        bench.loading[1].source.gate.open()

    assert [0, 1] == bench.asked
    assert [0, 1] == bench.calls


async def test_an_endpoint_without_trouble_is_loaded_first(detached: Detached) -> None:
    bench = WarmBench(detached, endpoints=2)
    await bench.one.failure(ProviderError(ErrorKind.TRANSIENT))
    await read(bench.warmed)

    assert [0, 1] == bench.asked


async def many_waiting(bench: WarmBench, group: asyncio.TaskGroup, count: int) -> Gate:
    """Keep the first endpoint's only place taken, and let so many wait for it."""
    gate = Gate()
    bench.one.inner.will(lambda: bench.clock.advance(20), done())
    await read(bench.warmed)
    bench.clock.advance(20)
    bench.one.inner.will(gate, done())
    _ = group.create_task(read(bench.warmed))
    await gate.reached()
    for _ in range(count):
        _ = group.create_task(read(bench.warmed))
    await eventually(lambda: bench.pool.wait_s(MODEL) == 20 * count)
    return gate


async def test_a_queue_longer_than_a_load_begins_one_elsewhere(detached: Detached) -> None:
    bench = WarmBench(detached, endpoints=2, places=1)
    bench.has(0)
    async with asyncio.TaskGroup() as group:
        gate = await many_waiting(bench, group, 2)
        shorter = list(bench.asked)
        last = group.create_task(read(bench.warmed))
        # The load tells the line when it is over: all are served there.
        await last
        gate.open()

    assert [0, 0] == shorter
    assert [0, 1] == bench.asked
    assert [2, 3] == bench.calls


@pytest.mark.parametrize("count", range(4))
async def test_left_at_any_event_it_frees_all_but_the_load(detached: Detached, count: int) -> None:
    bench = WarmBench(detached)
    events = bench.warmed.stream_chat(chat_request(model=MODEL), limits_of())
    for _ in range(count):
        await anext(events)
    await events.aclose()

    assert 0 == bench.pool.in_flight
    assert "answer" == await outcome(bench.warmed)


async def test_who_has_nowhere_else_to_go_loads_behind_an_open_breaker_too(
    detached: Detached,
) -> None:
    bench = WarmBench(detached)
    for _ in range(STREAK):
        bench.one.endpoint.load_failed(ProviderError(ErrorKind.LOAD_FAILED, called=False), MODEL)
    only_candidate = replace(limits_of(), only_candidate=True)

    assert "answer" == await outcome(bench.warmed, limits=only_candidate)
