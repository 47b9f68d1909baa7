"""How long an attempt may hear nothing, and what it means that it heard nothing."""

import asyncio
import contextlib
from contextlib import aclosing
from dataclasses import replace

import pytest

from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.events import SIGN_OF_LIFE, Delta, Done
from llmsvc_server.chat.features import Features, ResponseFormat, Tool
from llmsvc_server.chat.request import Delivery
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.upstreams.silence import Silence
from llmsvc_server.watchdog import Watchdog
from tests.fakes.gate import Gate
from tests.fakes.requests import chat_request, in_s, limits_of
from tests.fakes.scripted_provider import Step, done
from tests.fakes.upstreams import MODEL
from tests.fakes.virtual_time import virtually
from tests.unit.server.upstreams.upstreams import Bench

DIED = ProviderError(ErrorKind.TRANSIENT, engine_died=True)


def bench_of(*steps: Step, idle_s: float = 60.0) -> Bench:
    """Return an upstream that answers with `steps`."""
    bench = Bench(idle_s=idle_s)
    bench.adapter.usually(*steps)
    return bench


async def ending(bench: Bench, limits: AttemptLimits | None = None) -> ProviderError:
    """Return how a call fails."""
    return await bench.failure(limits=limits)


async def loop_runs_on(length_s: float) -> None:
    """Return after `length_s`, by a timer of the loop's."""
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(length_s, passed.set)
    await passed.wait()


@virtually
async def test_no_first_content_in_time_is_a_timeout() -> None:
    bench = bench_of(Gate())
    error = await ending(bench, limits_of(first_token_s=0.03))

    assert (ErrorKind.SILENT, "C05", "first_token") == (error.kind, error.row, error.phase)
    assert bench.adapter.calls[0].left


@virtually
async def test_a_gap_too_long_is_a_timeout_of_its_own() -> None:
    bench = bench_of(Delta("a"), Gate(), idle_s=0.03)
    error = await ending(bench)

    assert (ErrorKind.SILENT, "C06", "idle") == (error.kind, error.row, error.phase)
    assert bench.adapter.calls[0].left


@virtually
@pytest.mark.parametrize(
    "features", [Features(tools=(Tool(name="f"),)), Features(response_format=ResponseFormat())]
)
async def test_where_calls_may_be_held_back_a_gap_may_be_longer(features: Features) -> None:
    held_back = Gate()
    asyncio.get_running_loop().call_later(0.06, held_back.open)
    bench = Bench(idle_s=0.03, idle_with_features_s=0.1)
    bench.adapter.usually(Delta("a"), held_back, Delta("b"), Gate())
    request = chat_request(model=MODEL, features=features)
    async with aclosing(bench.upstream.run(request, limits_of(), bench.receipt(), {})) as events:
        assert [Delta("a"), Delta("b")] == [await anext(events), await anext(events)]
        with pytest.raises(ProviderError, match=ErrorKind.SILENT):
            await anext(events)


@virtually
async def test_signs_of_life_start_the_gap_anew_and_go_no_further() -> None:
    gates = [Gate() for _ in range(5)]
    for number, gate in enumerate(gates):
        asyncio.get_running_loop().call_later(0.04 * (number + 1), gate.open)
    alive = [step for gate in gates for step in (gate, SIGN_OF_LIFE)]
    bench = bench_of(*alive, Delta("a"), done(), idle_s=0.05)

    assert [Delta("a"), done()] == await bench.read(limits=limits_of(first_token_s=0.05))


@virtually
async def test_an_answer_longer_than_any_limit_passes_while_it_goes_on() -> None:
    first, second = Gate(), Gate()
    loop = asyncio.get_running_loop()
    loop.call_later(0.06, first.open)
    loop.call_later(0.12, second.open)
    bench = bench_of(Delta("a"), first, Delta("b"), second, done(), idle_s=0.1)

    assert 3 == len(await bench.read())


@virtually
async def test_time_that_the_consumer_takes_does_not_count() -> None:
    bench = bench_of(Delta("a"), Delta("b"), done(), idle_s=0.03)
    seen: list[object] = []
    async with aclosing(bench.run()) as events:
        async for event in events:
            seen.append(event)
            await loop_runs_on(0.06)

    assert 3 == len(seen)


@virtually
async def test_where_the_callers_time_ends_first_no_provider_is_blamed() -> None:
    bench = bench_of(Gate())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await bench.read(limits=limits_of(0.01, first_token_s=60))

    assert bench.adapter.calls[0].left


@virtually
async def test_a_cancel_from_outside_stays_a_cancel() -> None:
    gate = Gate()
    bench = bench_of(gate)
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(bench.read())
        await gate.reached()
        reading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reading

    assert reading.cancelled()
    assert bench.adapter.calls[0].left


@virtually
async def test_after_a_timeout_the_task_is_not_left_cancelled() -> None:
    bench = bench_of(Gate())
    await ending(bench, limits_of(first_token_s=0.02))
    task = asyncio.current_task()
    bench.adapter.usually(done())

    assert task is not None
    assert 0 == task.cancelling()
    assert isinstance((await bench.read())[-1], Done)


@virtually
async def test_a_gap_shorter_than_the_first_wait_ends_on_time() -> None:
    error = await ending(bench_of(Delta("a"), Gate(), idle_s=0.02), limits_of(first_token_s=30))

    assert "idle" == error.phase


async def stalled(
    *, left_s: float, delivery: Delivery = Delivery.WHOLE, fallback_follows: bool = True
) -> ProviderError:
    """Return how an answer ends that stalls while later candidates need all but `left_s`."""
    limits = replace(limits_of(60, fallback_follows=fallback_follows), latest_first=in_s(left_s))
    bench = bench_of(Delta("a"), Gate(), idle_s=1.5)

    async def run() -> None:
        async with aclosing(bench.run(limits=limits, delivery=delivery)) as events:
            async for _ in events:
                pass

    with pytest.raises(ProviderError, match=ErrorKind.SILENT) as silent:
        await run()
    return silent.value


@virtually
async def test_a_whole_answer_that_stalls_leaves_others_their_time() -> None:
    error = await stalled(left_s=0.2)

    assert ("idle", True) == (error.phase, error.is_cut_short)


@pytest.mark.parametrize(
    ("delivery", "fallback_follows"), [(Delivery.STREAM, True), (Delivery.WHOLE, False)]
)
@virtually
async def test_a_stall_that_helps_nobody_else_has_all_of_its_time(
    delivery: Delivery, *, fallback_follows: bool
) -> None:
    error = await stalled(left_s=0.2, delivery=delivery, fallback_follows=fallback_follows)

    assert not error.is_cut_short


@pytest.mark.parametrize("heard", [True, False])
@virtually
async def test_when_an_engine_dies_the_calls_that_hear_nothing_end_too(*, heard: bool) -> None:
    bench = bench_of()
    told, lively = Gate(), Gate()
    bench.adapter.will(*([Delta("a")] if heard else []), Gate())
    bench.adapter.will(told, DIED)
    bench.adapter.will(Delta("b"), lively, Delta("c"), done())
    async with asyncio.TaskGroup() as group:
        silent = group.create_task(ending(bench))
        first = group.create_task(ending(bench))
        spared = group.create_task(bench.read())
        await told.reached()
        await lively.reached()
        told.open()
        await first
        lively.open()

    orphan, died = await silent, await first
    assert (ErrorKind.TRANSIENT, ErrorKind.TRANSIENT) == (orphan.kind, died.kind)
    assert (True, False) == (orphan.is_cut_short, died.is_cut_short)
    assert ("stream" if heard else "first_token") == orphan.phase
    assert [Delta("b"), Delta("c"), done()] == await spared


@virtually
async def test_who_would_end_sooner_anyway_is_no_orphan() -> None:
    bench = bench_of(idle_s=0.2)
    told = Gate()
    bench.adapter.will(Delta("a"), Gate())
    bench.adapter.will(told, DIED)
    async with asyncio.TaskGroup() as group:
        silent = group.create_task(ending(bench))
        died = group.create_task(ending(bench))
        await told.reached()
        told.open()

    assert (await died).kind is ErrorKind.TRANSIENT
    assert (await silent).kind is ErrorKind.SILENT


@virtually
async def test_another_models_calls_hear_nothing_of_it() -> None:
    bench = bench_of()
    bench.facts[0].known.add("other")
    gate, told = Gate(), Gate()
    bench.adapter.will(gate, done())
    bench.adapter.will(told, DIED)
    async with asyncio.TaskGroup() as group:
        other = group.create_task(bench.read("other"))
        await gate.reached()
        dying = group.create_task(ending(bench))
        await told.reached()
        told.open()
        await dying
        await loop_runs_on(5)
        gate.open()

    assert [done()] == await other


async def test_it_says_whether_it_waits_and_what_for() -> None:
    silence = Silence(Watchdog(), limits_of(), Delivery.STREAM, idle_s=60)
    said = [repr(silence)]
    silence.waits = False
    said.append(repr(silence))
    silence.await_next()
    said.append(repr(silence))
    silence.waits = False

    assert [
        "<Silence: waits for the first>",
        "<Silence: no wait for the first>",
        "<Silence: waits for the next sign of life>",
    ] == said
