import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from llmsvc_server.app.tasks import Background
from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.events import Delta, Phase
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import BreakerState as State
from llmsvc_server.upstreams.breaker import STREAK
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.requests import limits_of
from tests.fakes.scripted_provider import done
from tests.fakes.upstreams import MODEL
from tests.unit.server.upstreams.upstreams import Bench, silent

ANSWER = [Delta("hello"), done()]


@pytest.fixture
async def tasks() -> AsyncIterator[Background]:
    async with Background() as made:
        yield made


def cold(
    tasks: Background, *, endpoints: int = 1, places: int = 8, confirm_s: float = 5.0
) -> Bench:
    """Return an upstream whose endpoints load; nothing is in memory at first."""
    bench = Bench(tasks=tasks, endpoints=endpoints, places=places, confirm_s=confirm_s)
    for facts in bench.facts:
        facts.in_memory = False
    return bench


def warm(tasks: Background, *, confirm_s: float = 5.0) -> Bench:
    """Return one with the model in memory."""
    bench = cold(tasks, confirm_s=confirm_s)
    bench.facts[0].in_memory = True
    return bench


async def told(bench: Bench, limits: AttemptLimits | None = None) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        await bench.read(limits=limits)
    return raised.value


async def load(bench: Bench, took_s: float) -> None:
    """Load the model at the first endpoint within so many seconds of the clock."""
    gate = bench.warming[0].gate
    gate.close()
    before = gate.arrivals
    bench.upstream.load(MODEL)
    await gate.reached(before + 1)
    bench.clock.advance(took_s)
    gate.open()
    await eventually(lambda: not bench.loads.is_loading(MODEL))


async def test_a_model_in_memory_is_asked_at_once(tasks: Background) -> None:
    bench = warm(tasks)

    assert ANSWER == await bench.read()
    assert [0] == bench.asked


async def test_a_cold_one_is_waited_for_and_then_asked_with_patience_anew(
    tasks: Background,
) -> None:
    bench = cold(tasks)
    limits = limits_of(first_token_s=1)
    receipt = bench.receipt()
    bench.warming[0].gate.close()
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(bench.read(limits=limits, receipt=receipt))
        await bench.warming[0].gate.reached()
        waits_for = receipt.phase
        bench.warming[0].gate.open()
    events = asking.result()
    given = bench.adapter.calls[0].limits.first_token_by

    assert ANSWER == events
    assert Phase.LOADING is waits_for
    assert [1] == bench.asked
    assert 5 < given.at_s - limits.first_token_by.at_s <= 7


async def test_no_place_is_held_while_it_loads(tasks: Background) -> None:
    bench = cold(tasks, places=1)
    bench.warming[0].gate.close()
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(bench.outcome()) for _ in range(20)]
        await bench.warming[0].gate.reached()
        held = bench.upstream.in_flight
        bench.warming[0].gate.open()

    assert 0 == held
    assert ["answer"] * 20 == [task.result() for task in asking]
    assert [1] == bench.asked


async def test_the_load_goes_on_when_everybody_left(tasks: Background) -> None:
    bench = cold(tasks)
    bench.warming[0].gate.close()
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(bench.read()) for _ in range(3)]
        await bench.warming[0].gate.reached()
        for task in asking:
            task.cancel()
    bench.warming[0].gate.open()
    await eventually(lambda: bench.loads.is_loaded(MODEL))

    assert [0] == bench.calls
    assert ANSWER == await bench.read()


async def test_where_another_could_answer_a_load_too_long_is_not_waited_for(
    tasks: Background,
) -> None:
    bench = cold(tasks)
    await load(bench, 20)
    bench.loads.take_poll()
    bench.warming[0].gate.close()
    error = await told(bench, limits_of(60, first_token_s=10, fallback_follows=True))
    await bench.warming[0].gate.reached(2)

    assert error.kind is ErrorKind.COLD_LOAD
    assert (20, False, "load") == (error.retry_after_s, error.called, error.phase)
    assert bench.loads.is_loading(MODEL)
    assert [0] == bench.calls


async def test_where_nobody_else_could_it_is(tasks: Background) -> None:
    bench = cold(tasks)

    assert "answer" == await bench.outcome(limits=limits_of(10))


async def test_a_wait_in_vain_says_how_long_it_takes_still(tasks: Background) -> None:
    bench = cold(tasks)
    bench.warming[0].gate.close()
    error = await told(bench, limits_of(60, first_token_s=0.02))

    assert error.kind is ErrorKind.COLD_LOAD
    assert (30, False) == (error.retry_after_s, error.called)
    assert bench.loads.is_loading(MODEL)


async def test_a_failed_load_is_told_to_all_and_counts_once(tasks: Background) -> None:
    bench = cold(tasks)
    kinds = []
    for _ in range(STREAK):
        bench.warming[0].gate.close()
        bench.warming[0].failures = [ProviderError(ErrorKind.LOAD_FAILED)]
        before = bench.warming[0].gate.arrivals
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(bench.outcome()) for _ in range(10)]
            await bench.warming[0].gate.reached(before + 1)
            kinds.append(bench.answering.state)
            bench.warming[0].gate.open()
        assert {ErrorKind.LOAD_FAILED} == {task.result() for task in asking}

    assert [State.CLOSED] * STREAK == kinds
    assert State.OPEN is bench.answering.state
    assert ErrorKind.OPEN is await bench.outcome()
    assert [STREAK] == bench.asked


@pytest.mark.parametrize(
    "error",
    [ProviderError(ErrorKind.TRANSIENT, engine_died=True), ProviderError(ErrorKind.LOAD_FAILED)],
)
async def test_a_dead_engine_is_loaded_before_it_is_asked_again(
    tasks: Background, error: ProviderError
) -> None:
    bench = warm(tasks)
    bench.adapter.will(error)
    await told(bench)
    asked = list(bench.asked)
    await bench.read()

    assert [0] == asked
    assert [1] == bench.asked


async def test_an_ordinary_failure_says_nothing_of_the_engine(tasks: Background) -> None:
    bench = warm(tasks)
    bench.adapter.will(ProviderError(ErrorKind.TRANSIENT))
    await told(bench)

    assert ANSWER == await bench.read()


async def test_an_upstream_that_says_it_is_loading_is_believed(tasks: Background) -> None:
    bench = warm(tasks)
    bench.warming[0].gate.close()
    bench.adapter.will(ProviderError(ErrorKind.COLD_LOAD, row="O10a"))
    error = await told(bench)

    assert 30 == error.retry_after_s
    assert bench.loads.is_loading(MODEL)


async def test_silence_of_a_model_that_is_not_in_memory_after_all_is_a_load(
    tasks: Background,
) -> None:
    bench = warm(tasks, confirm_s=0.02)
    bench.warming[0].gate.close()
    bench.adapter.will(silent())
    error = await told(bench)

    assert error.kind is ErrorKind.COLD_LOAD
    assert (30, "C05", True) == (error.retry_after_s, error.row, error.called)
    assert bench.loads.is_loading(MODEL)
    assert 0 == bench.upstream.in_flight


async def test_silence_of_a_model_in_memory_counts(tasks: Background) -> None:
    bench = warm(tasks)
    bench.adapter.usually(silent())
    kinds = [await bench.outcome() for _ in range(STREAK)]

    assert [ErrorKind.SILENT] * STREAK == kinds
    assert State.OPEN is bench.answering.state


async def test_where_no_endpoint_may_be_called_nothing_is_loaded(tasks: Background) -> None:
    bench = cold(tasks)
    bench.facts[0].known.clear()
    error = await told(bench)

    assert error.kind is ErrorKind.CONNECT
    assert [0] == bench.asked


async def test_the_endpoint_that_has_it_is_asked_and_the_other_left_cold(
    tasks: Background,
) -> None:
    bench = cold(tasks, endpoints=2)
    bench.facts[1].in_memory = True
    await bench.read()

    assert [0, 0] == bench.asked
    assert [0, 1] == bench.calls


async def test_a_load_that_runs_already_is_joined(tasks: Background) -> None:
    bench = cold(tasks, endpoints=2)
    bench.warming[1].gate.close()
    bench.facts[0].known.clear()
    bench.upstream.load(MODEL)
    bench.facts[0].known.add(MODEL)
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(bench.read())
        await bench.warming[1].gate.reached()
        bench.warming[1].gate.open()

    assert [0, 1] == bench.asked
    assert [0, 1] == bench.calls


async def test_an_endpoint_without_trouble_is_loaded_first(tasks: Background) -> None:
    bench = cold(tasks, endpoints=2)
    bench.endpoint.take_failure(ProviderError(ErrorKind.SATURATED), MODEL, is_trouble=False)
    await bench.read()

    assert [0, 1] == bench.asked


async def many_waiting(bench: Bench, group: asyncio.TaskGroup, count: int) -> Gate:
    """Keep the first endpoint's only place taken, and let so many wait for it."""
    gate = Gate()
    bench.adapter.will(lambda: bench.clock.advance(20), done())
    await bench.read()
    bench.clock.advance(20)
    bench.adapter.will(gate, done())
    _ = group.create_task(bench.read())
    await gate.reached()
    for _ in range(count):
        _ = group.create_task(bench.read())
    await eventually(lambda: bench.waiting() == count)
    return gate


async def test_a_queue_longer_than_a_load_begins_one_elsewhere(tasks: Background) -> None:
    bench = cold(tasks, endpoints=2, places=1)
    bench.facts[0].in_memory = True
    async with asyncio.TaskGroup() as group:
        gate = await many_waiting(bench, group, 2)
        shorter = list(bench.asked)
        last = group.create_task(bench.read())
        # The load tells the line when it is over: all are served there.
        await last
        gate.open()

    assert [0, 0] == shorter
    assert [0, 1] == bench.asked
    assert [2, 3] == bench.calls


@pytest.mark.parametrize("count", range(3))
async def test_left_at_any_event_it_frees_all_but_the_load(tasks: Background, count: int) -> None:
    bench = cold(tasks)
    events = bench.run()
    for _ in range(count):
        await anext(events)
    await events.aclose()

    assert 0 == bench.upstream.in_flight
    assert "answer" == await bench.outcome()


async def test_who_has_nowhere_else_to_go_loads_behind_an_open_breaker_too(
    tasks: Background,
) -> None:
    bench = cold(tasks)
    for _ in range(STREAK):
        bench.endpoint.take_failed_load(ProviderError(ErrorKind.LOAD_FAILED, called=False), MODEL)
    only_candidate = replace(limits_of(), only_candidate=True)

    assert "answer" == await bench.outcome(limits=only_candidate)
