import asyncio
from dataclasses import replace
from functools import partial

import pytest

from llmsvc_server.chat.events import Delta, Done, Phase
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import QueueState
from llmsvc_server.upstreams.wait_queue import MAX_MODELS
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.requests import limits_of
from tests.fakes.scripted_provider import done
from tests.fakes.upstreams import ADVICE, MODEL
from tests.fakes.virtual_time import virtually
from tests.unit.server.upstreams.upstreams import Bench

ANSWER = [Delta("hello"), done()]


def _waits(bench: Bench, count: int) -> bool:
    return bench.waiting() == count


async def test_no_more_than_the_places_run_and_all_are_answered() -> None:
    bench = Bench(places=2)
    gate = Gate()
    bench.adapter.usually(gate, Delta("a"), done())
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(bench.outcome()) for _ in range(20)]
        await gate.reached(2)
        gate.open()

    assert ["answer"] * 20 == [task.result() for task in asking]
    assert 2 == bench.adapter.most_running
    assert 0 == bench.upstream.in_flight


async def test_a_free_place_is_not_waited_for() -> None:
    assert ANSWER == await Bench(places=1).read()


async def test_who_has_to_wait_is_told_so_and_the_answer_says_how_long() -> None:
    bench = Bench(places=1)
    gate = Gate()
    bench.adapter.will(gate, done())
    receipt, given = bench.receipt(), done()
    bench.adapter.will(given)
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(bench.read())
        await gate.reached()
        second = group.create_task(bench.read(receipt=receipt))
        await eventually(lambda: bench.waiting() == 1)
        waits_for = receipt.phase
        bench.clock.advance(3)
        gate.open()
    (end,) = second.result()

    assert (Phase.QUEUED, Phase.PROVIDER) == (waits_for, receipt.phase)
    assert isinstance(end, Done)
    assert 3 == end.timings.queue_s
    assert given.timings.queue_s is None


async def test_they_are_served_in_order() -> None:
    bench = Bench(places=1)
    gate = Gate()
    bench.adapter.will(gate, done())
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(bench.read())
        await gate.reached()
        for number in range(5):
            limits = replace(limits_of(), may_repeat=bool(number % 2))
            _ = group.create_task(bench.read(limits=limits))
            await eventually(partial(_waits, bench, number + 1))
        gate.open()

    order = [call.limits.may_repeat for call in bench.adapter.calls[1:]]
    assert [False, True, False, True, False] == order


async def test_models_do_not_wait_for_each_other() -> None:
    bench = Bench(places=2, places_per_model=1)
    bench.facts[0].known.add("n")
    gate = Gate()
    bench.adapter.usually(gate, done())
    async with asyncio.TaskGroup() as group:
        for model in (MODEL, "n"):
            _ = group.create_task(bench.read(model))
        await gate.reached(2)
        gate.open()

    assert 2 == bench.adapter.most_running


async def test_models_that_share_places_take_turns() -> None:
    bench = Bench(places=1)
    bench.facts[0].known.add("n")
    gate = Gate()
    bench.adapter.usually(gate, done())
    async with asyncio.TaskGroup() as group:
        for model in (MODEL, MODEL, MODEL, "n", "n"):
            _ = group.create_task(bench.read(model))
            await asyncio.sleep(0)
        await gate.reached()
        await eventually(lambda: bench.waiting() + bench.waiting("n") == 4)
        bench.adapter.usually(lambda: bench.clock.advance(1), done())
        gate.open()

    assert [MODEL, "n", MODEL, "n", MODEL] == [call.request.model for call in bench.adapter.calls]


async def test_the_place_is_kept_until_the_upstream_is_closed() -> None:
    bench = Bench(places=1)
    bench.adapter.closing = Gate()
    events = bench.run()
    await anext(events)
    async with asyncio.TaskGroup() as group:
        closing = group.create_task(events.aclose())
        await bench.adapter.closing.reached()
        held = bench.upstream.in_flight
        bench.adapter.closing.open()
        await closing

    assert (1, 0) == (held, bench.upstream.in_flight)


@pytest.mark.parametrize("steps", range(3))
async def test_left_at_any_event_it_frees_its_place(steps: int) -> None:
    bench = Bench(places=1)
    events = bench.run()
    for _ in range(steps):
        await anext(events)
    await events.aclose()

    assert 0 == bench.upstream.in_flight
    assert ANSWER == await bench.read()


@pytest.mark.parametrize(
    "error",
    [ProviderError(ErrorKind.TRANSIENT), ProviderError(ErrorKind.CALLER), asyncio.CancelledError()],
)
async def test_a_failure_frees_the_place(error: BaseException) -> None:
    bench = Bench(places=1)
    bench.adapter.will(error)
    with pytest.raises(type(error)):
        await bench.read()

    assert 0 == bench.upstream.in_flight
    assert ANSWER == await bench.read()


async def test_patience_starts_anew_after_a_wait() -> None:
    bench = Bench(places=1)
    gate = Gate()
    bench.adapter.will(gate, done())
    limits = limits_of(first_token_s=1)
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            _ = group.create_task(bench.read(limits=limits))
        await gate.reached()
        gate.open()
    first, second = (call.limits.first_token_by for call in bench.adapter.calls)

    assert 5 < second.at_s - first.at_s <= 7


async def test_the_first_wait_is_told_once_with_the_remedy() -> None:
    bench = Bench(places=1)
    gate = Gate()
    bench.adapter.usually(gate, done())
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            _ = group.create_task(bench.read())
        await gate.reached()
        gate.open()
    told = [change for change in bench.reporter.changes if isinstance(change.state, QueueState)]

    assert [("ollama/m", "queueing", ADVICE)] == [
        (change.name, change.state, change.detail) for change in told
    ]


async def test_a_closed_pool_sends_waiters_away_and_lets_runners_finish() -> None:
    bench = Bench(places=1)
    gate = Gate()
    bench.adapter.will(gate, done())
    async with asyncio.TaskGroup() as group:
        running = group.create_task(bench.outcome())
        await gate.reached()
        waiter = group.create_task(bench.outcome())
        await eventually(lambda: bench.waiting() == 1)
        bench.upstream.close()
        late = await bench.outcome()
        gate.open()

    assert ("ShuttingDown", "ShuttingDown") == (waiter.result(), late)
    assert "answer" == running.result()


async def test_who_waits_for_a_model_that_is_deleted_is_told_so() -> None:
    bench = Bench(places=1)
    gate = Gate()
    bench.adapter.will(gate, done())
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(bench.read())
        await gate.reached()
        waits = group.create_task(bench.outcome())
        await eventually(lambda: bench.waiting() == 1)
        bench.facts[0].known.discard(MODEL)
        bench.upstream.take_poll("ollama", seen=True)
        told = await waits
        gate.open()

    assert ErrorKind.MODEL_MISSING == told


async def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    bench = Bench(places=1, max_queued=3)
    bench.adapter.will(lambda: bench.clock.advance(4), done())
    await bench.read()
    gate = Gate()
    bench.adapter.will(gate, done())
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            _ = group.create_task(bench.outcome())
        await gate.reached()
        await eventually(lambda: bench.waiting() == 3)
        with pytest.raises(ProviderError, match=ErrorKind.QUEUE_FULL) as full:
            await bench.read()
        gate.open()

    assert 12 == full.value.retry_after_s


@pytest.mark.parametrize("queue_timeout_s", [0.02, 10])
@virtually
async def test_with_an_alternative_a_wait_is_short(queue_timeout_s: float) -> None:
    bench = Bench(places=1, queue_timeout_s=queue_timeout_s)
    gate = Gate()
    bench.adapter.will(gate, done())
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(bench.outcome())
        await gate.reached()
        began_s = loop.time()
        limits = limits_of(30 if queue_timeout_s < 1 else 0.4, fallback_follows=True)
        refused = await bench.outcome(limits=limits)
        took_s = loop.time() - began_s
        gate.open()

    assert ErrorKind.QUEUE_FULL is refused
    assert 0.015 < took_s < 0.35


@virtually
async def test_without_one_it_ends_when_a_usual_answer_would_come_too_late() -> None:
    bench = Bench(places=1)
    bench.adapter.will(lambda: bench.clock.advance(40), done())
    await bench.read()
    gate = Gate()
    bench.adapter.will(gate, done())
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(bench.outcome())
        await gate.reached()
        refused = await bench.outcome(limits=limits_of(40.01))
        gate.open()

    assert ErrorKind.QUEUE_FULL is refused


async def test_a_cancelled_waiter_costs_nothing() -> None:
    bench = Bench(places=1)
    gate = Gate()
    bench.adapter.will(gate, done())
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(bench.read())
        await gate.reached()
        leaving = [group.create_task(bench.read()) for _ in range(10)]
        staying = group.create_task(bench.outcome())
        await eventually(lambda: bench.waiting() == 11)
        for task in leaving:
            task.cancel()
        gate.open()

    assert "answer" == staying.result()
    assert [2] == bench.calls
    assert 0 == bench.upstream.in_flight


async def test_a_waiter_cancelled_when_its_place_comes_frees_it() -> None:
    bench = Bench(places=1)
    gate = Gate()
    bench.adapter.will(gate, done())

    async def answer_and_cancel() -> int:
        await bench.read()
        taken = bench.upstream.in_flight
        leaving.cancel()  # in the moment in which it got its place
        return taken

    async with asyncio.TaskGroup() as group:
        first = group.create_task(answer_and_cancel())
        await gate.reached()
        leaving = group.create_task(bench.read())
        await eventually(lambda: bench.waiting() == 1)
        gate.open()

    assert (1, 0) == (first.result(), bench.upstream.in_flight)
    assert ANSWER == await bench.read()


async def test_a_waiter_that_is_leaving_is_passed_over() -> None:
    bench = Bench(places=1)
    gate = Gate()

    def leave() -> None:
        leaving.cancel()

    bench.adapter.will(gate, leave, done())
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(bench.read())
        await gate.reached()
        leaving = group.create_task(bench.read())
        await eventually(lambda: bench.waiting() == 1)
        staying = group.create_task(bench.outcome())
        await eventually(lambda: bench.waiting() == 2)
        gate.open()

    assert "answer" == staying.result()
    assert [2] == bench.calls


async def test_models_that_nobody_uses_any_more_are_not_remembered_for_ever() -> None:
    bench = Bench(places=1)
    for number in range(2 * MAX_MODELS):
        bench.facts[0].known = {f"model-{number}"}
        await bench.read(f"model-{number}")

    assert len(bench.upstream._pool._queue._lines) <= MAX_MODELS  # noqa: SLF001  memory is what is asked
