import asyncio
from dataclasses import replace
from functools import partial

import pytest

from llmsvc_server.chat.events import Delta, Done, Phase, Waiting
from llmsvc_server.errors import LlmsvcError, ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import QueueState
from llmsvc_server.routing.pooled import REMEMBERED_MODELS
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.requests import chat_request, limits_of
from tests.fakes.scripted_provider import done
from tests.fakes.virtual_time import virtually
from tests.unit.server.routing.endpoints import MODEL
from tests.unit.server.routing.pools import ADVICE, PoolBench, outcome, read

ANSWER = [Waiting(Phase.PROVIDER), Delta("hello"), done()]


def _waits(bench: PoolBench, count: int) -> bool:
    return bench.waiting() == count


async def test_no_more_than_the_places_run_and_all_are_answered() -> None:
    bench = PoolBench(places=2)
    gate = Gate()
    bench.one.inner.usually(gate, Delta("a"), done())
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(outcome(bench.pool)) for _ in range(20)]
        await gate.reached(2)
        gate.open()

    assert ["answer"] * 20 == [task.result() for task in asking]
    assert 2 == bench.one.inner.most_running
    assert 0 == bench.pool.in_flight


async def test_a_free_place_is_not_waited_for() -> None:
    assert ANSWER == await read(PoolBench().pool)


async def test_who_has_to_wait_is_told_so_and_the_answer_says_how_long() -> None:
    bench = PoolBench()
    gate = Gate()
    bench.one.inner.will(gate, done())
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(read(bench.pool))
        await gate.reached()
        second = group.create_task(read(bench.pool))
        await eventually(lambda: bench.waiting() == 1)
        bench.clock.advance(3)
        gate.open()
    first, *_, end = second.result()

    assert Waiting(Phase.QUEUED) == first
    assert isinstance(end, Done)
    assert 3 == end.timings.queue_s


async def test_they_are_served_in_order() -> None:
    bench = PoolBench()
    gate = Gate()
    bench.one.inner.will(gate, done())
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(read(bench.pool))
        await gate.reached()
        for number in range(5):
            limits = replace(limits_of(), may_repeat=bool(number % 2))
            _ = group.create_task(read(bench.pool, limits=limits))
            await eventually(partial(_waits, bench, number + 1))
        gate.open()

    order = [call.limits.may_repeat for call in bench.one.inner.calls[1:]]
    assert [False, True, False, True, False] == order


async def test_models_do_not_wait_for_each_other() -> None:
    bench = PoolBench(places=2, places_per_model=1)
    bench.one.known.add("n")
    gate = Gate()
    bench.one.inner.usually(gate, done())
    async with asyncio.TaskGroup() as group:
        for model in (MODEL, "n"):
            _ = group.create_task(read(bench.pool, model))
        await gate.reached(2)
        gate.open()

    assert 2 == bench.one.inner.most_running


async def test_models_that_share_places_take_turns() -> None:
    bench = PoolBench()
    bench.one.known.add("n")
    gate = Gate()
    bench.one.inner.usually(gate, done())
    async with asyncio.TaskGroup() as group:
        for model in (MODEL, MODEL, MODEL, "n", "n"):
            _ = group.create_task(read(bench.pool, model))
            await asyncio.sleep(0)
        await gate.reached()
        await eventually(lambda: bench.waiting() + bench.waiting("n") == 4)
        bench.one.inner.usually(lambda: bench.clock.advance(1), done())
        gate.open()

    assert [MODEL, "n", MODEL, "n", MODEL] == [call.request.model for call in bench.one.inner.calls]


async def test_the_place_is_kept_until_the_upstream_is_closed() -> None:
    bench = PoolBench()
    bench.one.inner.closing = Gate()
    events = bench.pool.stream_chat(chat_request(model=MODEL), limits_of())
    await anext(events)
    await anext(events)
    async with asyncio.TaskGroup() as group:
        closing = group.create_task(events.aclose())
        await bench.one.inner.closing.reached()
        held = bench.pool.in_flight
        bench.one.inner.closing.open()
        await closing

    assert (1, 0) == (held, bench.pool.in_flight)


@pytest.mark.parametrize("steps", range(4))
async def test_left_at_any_event_it_frees_its_place(steps: int) -> None:
    bench = PoolBench()
    events = bench.pool.stream_chat(chat_request(model=MODEL), limits_of())
    for _ in range(steps):
        await anext(events)
    await events.aclose()

    assert 0 == bench.pool.in_flight
    assert ANSWER == await read(bench.pool)


async def test_left_while_told_to_wait_it_is_in_nobodys_way() -> None:
    bench = PoolBench()
    gate = Gate()
    bench.one.inner.will(gate, done())
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(read(bench.pool))
        await gate.reached()
        events = bench.pool.stream_chat(chat_request(model=MODEL), limits_of())
        first = await anext(events)
        await events.aclose()
        gate.open()

    assert Waiting(Phase.QUEUED) == first
    assert 0 == bench.pool.in_flight
    assert [1] == bench.calls


@pytest.mark.parametrize(
    "error",
    [ProviderError(ErrorKind.TRANSIENT), ProviderError(ErrorKind.CALLER), asyncio.CancelledError()],
)
async def test_a_failure_frees_the_place(error: BaseException) -> None:
    bench = PoolBench()
    bench.one.inner.will(error)
    with pytest.raises(type(error)):
        await read(bench.pool)

    assert 0 == bench.pool.in_flight
    assert ANSWER == await read(bench.pool)


async def test_patience_starts_anew_after_a_wait() -> None:
    bench = PoolBench()
    gate = Gate()
    bench.one.inner.will(gate, done())
    limits = limits_of(first_token_s=1)
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            _ = group.create_task(read(bench.pool, limits=limits))
        await gate.reached()
        gate.open()
    first, second = (call.limits.first_token_by for call in bench.one.inner.calls)

    assert 5 < second.at_s - first.at_s <= 7


async def test_the_first_wait_is_told_once_with_the_remedy() -> None:
    bench = PoolBench()
    gate = Gate()
    bench.one.inner.usually(gate, done())
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            _ = group.create_task(read(bench.pool))
        await gate.reached()
        gate.open()
    told = [change for change in bench.reporter.changes if isinstance(change.state, QueueState)]

    assert [("ollama/m", "queueing", ADVICE)] == [
        (change.name, change.state, change.detail) for change in told
    ]


async def test_a_place_that_came_free_while_the_wait_was_told_is_taken() -> None:
    bench = PoolBench()
    gate = Gate()
    bench.one.inner.will(gate, done())
    async with asyncio.TaskGroup() as group:
        running = group.create_task(read(bench.pool))
        await gate.reached()
        events = bench.pool.stream_chat(chat_request(model=MODEL), limits_of())
        await anext(events)
        gate.open()
        await running
        second = await anext(events)
        await events.aclose()

    assert Waiting(Phase.PROVIDER) == second


async def test_what_happened_while_the_wait_was_told_is_not_waited_out() -> None:
    bench = PoolBench()
    gate = Gate()
    bench.one.inner.will(gate, done())
    told = []
    async with asyncio.TaskGroup() as group:
        running = group.create_task(read(bench.pool))
        await gate.reached()
        for change in (bench.one.known.clear, bench.pool.close):
            events = bench.pool.stream_chat(chat_request(model=MODEL), limits_of())
            await anext(events)
            change()
            with pytest.raises(LlmsvcError) as refused:
                await anext(events)
            told.append(str(refused.value))
            bench.one.known.update({"", MODEL})
        gate.open()
        await running

    assert [ErrorKind.CONNECT.value, ""] == told


async def test_a_closed_pool_sends_waiters_away_and_lets_runners_finish() -> None:
    bench = PoolBench()
    gate = Gate()
    bench.one.inner.will(gate, done())
    async with asyncio.TaskGroup() as group:
        running = group.create_task(outcome(bench.pool))
        await gate.reached()
        waiter = group.create_task(outcome(bench.pool))
        await eventually(lambda: bench.waiting() == 1)
        bench.pool.close()
        late = await outcome(bench.pool)
        gate.open()

    assert ("ShuttingDown", "ShuttingDown") == (waiter.result(), late)
    assert "answer" == running.result()


async def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    bench = PoolBench(max_queued=3)
    bench.one.inner.will(lambda: bench.clock.advance(4), done())
    await read(bench.pool)
    gate = Gate()
    bench.one.inner.will(gate, done())
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            _ = group.create_task(outcome(bench.pool))
        await gate.reached()
        await eventually(lambda: bench.waiting() == 3)
        wait_s = bench.pool.wait_s(MODEL)
        with pytest.raises(ProviderError, match=ErrorKind.QUEUE_FULL) as full:
            await read(bench.pool)
        gate.open()

    assert 12 == wait_s
    assert 12 == full.value.retry_after_s


async def test_nobody_waits_where_nobody_ever_asked() -> None:
    assert 0 == PoolBench().pool.wait_s(MODEL)


@pytest.mark.parametrize("queue_timeout_s", [0.02, 10])
@virtually
async def test_with_an_alternative_a_wait_is_short(queue_timeout_s: float) -> None:
    bench = PoolBench(queue_timeout_s=queue_timeout_s)
    gate = Gate()
    bench.one.inner.will(gate, done())
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(outcome(bench.pool))
        await gate.reached()
        began_s = loop.time()
        limits = limits_of(30 if queue_timeout_s < 1 else 0.4, fallback_follows=True)
        refused = await outcome(bench.pool, limits=limits)
        took_s = loop.time() - began_s
        gate.open()

    assert ErrorKind.QUEUE_FULL is refused
    assert 0.015 < took_s < 0.35


@virtually
async def test_without_one_it_ends_when_a_usual_answer_would_come_too_late() -> None:
    bench = PoolBench()
    bench.one.inner.will(lambda: bench.clock.advance(40), done())
    await read(bench.pool)
    gate = Gate()
    bench.one.inner.will(gate, done())
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(outcome(bench.pool))
        await gate.reached()
        refused = await outcome(bench.pool, limits=limits_of(40.01))
        gate.open()

    assert ErrorKind.QUEUE_FULL is refused


async def test_a_cancelled_waiter_costs_nothing() -> None:
    bench = PoolBench()
    gate = Gate()
    bench.one.inner.will(gate, done())
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(read(bench.pool))
        await gate.reached()
        leaving = [group.create_task(read(bench.pool)) for _ in range(10)]
        staying = group.create_task(outcome(bench.pool))
        await eventually(lambda: bench.waiting() == 11)
        for task in leaving:
            task.cancel()
        gate.open()

    assert "answer" == staying.result()
    assert [2] == bench.calls
    assert 0 == bench.pool.in_flight


async def test_a_waiter_cancelled_when_its_place_comes_frees_it() -> None:
    bench = PoolBench()
    place = bench.one.place()
    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(read(bench.pool))
        await eventually(lambda: bench.waiting() == 1)
        place.give_back()
        bench.pool.changed()
        taken = bench.pool.in_flight
        leaving.cancel()

    assert (1, 0) == (taken, bench.pool.in_flight)
    assert ANSWER == await read(bench.pool)


async def test_models_that_nobody_uses_any_more_are_not_remembered_for_ever() -> None:
    bench = PoolBench()
    for number in range(2 * REMEMBERED_MODELS):
        bench.one.known = {f"model-{number}"}
        await read(bench.pool, f"model-{number}")

    assert len(bench.pool._queues) <= REMEMBERED_MODELS  # noqa: SLF001  memory is what is asked
