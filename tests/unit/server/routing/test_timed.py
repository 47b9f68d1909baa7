import asyncio
import contextlib
from contextlib import aclosing
from dataclasses import replace

import pytest

from llmsvc_server.chat.events import Delta, Done
from llmsvc_server.chat.request import Delivery
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.timed import Timed
from tests.fakes.gate import Gate
from tests.fakes.requests import chat_request, in_s, limits_of
from tests.fakes.scripted_provider import ScriptedProvider, done
from tests.fakes.virtual_time import virtually


def timed(inner: ScriptedProvider, *, idle_s: float = 60.0) -> Timed:
    return Timed(inner, idle_s=idle_s)


async def read(
    provider: Timed,
    *,
    first_token_s: float | None = None,
    length_s: float = 60.0,
    model: str = "m",
) -> list[object]:
    limits = limits_of(length_s, first_token_s=first_token_s)
    async with aclosing(provider.stream_chat(chat_request(model=model), limits)) as events:
        return [event async for event in events]


async def loop_runs_on(length_s: float) -> None:
    """Return after `length_s`, by a timer of the loop's."""
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(length_s, passed.set)
    await passed.wait()


@virtually
async def test_an_answer_in_time_passes_unchanged() -> None:
    events = await read(timed(ScriptedProvider(Delta("a"), Delta("b"), done())))

    assert [Delta("a"), Delta("b"), done()] == events


@virtually
async def test_no_first_content_in_time_is_a_timeout() -> None:
    inner = ScriptedProvider(Gate())
    with pytest.raises(ProviderError, match=ErrorKind.SILENT) as silent:
        await read(timed(inner), first_token_s=0.03)

    assert ("C05", "first_token") == (silent.value.row, silent.value.phase)
    assert inner.calls[0].left


@virtually
async def test_a_gap_too_long_is_a_timeout_of_its_own() -> None:
    inner = ScriptedProvider(Delta("a"), Gate())
    with pytest.raises(ProviderError, match=ErrorKind.SILENT) as silent:
        await read(timed(inner, idle_s=0.03))

    assert ("C06", "idle") == (silent.value.row, silent.value.phase)
    assert inner.calls[0].left


@virtually
async def test_signs_of_life_start_the_gap_anew() -> None:
    provider = timed(ScriptedProvider(*[Delta("")] * 5, Delta("a"), done()), idle_s=0.05)

    assert 7 == len(await read(provider, first_token_s=0.05))


@virtually
async def test_an_answer_longer_than_any_limit_passes_while_it_goes_on() -> None:
    first, second = Gate(), Gate()
    loop = asyncio.get_running_loop()
    loop.call_later(0.06, first.open)
    loop.call_later(0.12, second.open)
    inner = ScriptedProvider(Delta("a"), first, Delta("b"), second, done())

    assert 3 == len(await read(timed(inner, idle_s=0.1)))


@virtually
async def test_time_that_the_consumer_takes_does_not_count() -> None:
    inner = ScriptedProvider(Delta("a"), Delta("b"), done())
    seen: list[object] = []
    async with aclosing(timed(inner, idle_s=0.03).stream_chat(chat_request(), limits_of())) as all_:
        async for event in all_:
            seen.append(event)
            await loop_runs_on(0.06)

    assert 3 == len(seen)


@virtually
async def test_where_the_callers_time_ends_first_no_provider_is_blamed() -> None:
    inner = ScriptedProvider(Gate())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await read(timed(inner), first_token_s=0.01 + 60, length_s=0.01)

    assert inner.calls[0].left


@virtually
async def test_a_cancel_from_outside_stays_a_cancel() -> None:
    gate = Gate()
    inner = ScriptedProvider(gate)
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(read(timed(inner)))
        await gate.reached()
        reading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reading

    assert reading.cancelled()
    assert inner.calls[0].left


@virtually
async def test_the_providers_own_failure_passes() -> None:
    failure = ProviderError(ErrorKind.TRANSIENT)
    with pytest.raises(ProviderError) as raised:
        await read(timed(ScriptedProvider(failure)))

    assert failure is raised.value


@virtually
async def test_after_a_timeout_the_task_is_not_left_cancelled() -> None:
    with pytest.raises(ProviderError, match=ErrorKind.SILENT):
        await read(timed(ScriptedProvider(Gate())), first_token_s=0.02)
    task = asyncio.current_task()
    assert task is not None

    assert 0 == task.cancelling()
    assert isinstance((await read(timed(ScriptedProvider())))[-1], Done)


@virtually
async def test_a_gap_shorter_than_the_first_wait_ends_on_time() -> None:
    inner = ScriptedProvider(Delta("a"), Gate())
    with pytest.raises(ProviderError, match=ErrorKind.SILENT):
        await read(timed(inner, idle_s=0.02), first_token_s=30)

    assert inner.info is timed(inner).info


async def stalled(
    *, left_s: float, delivery: Delivery = Delivery.WHOLE, fallback_follows: bool = True
) -> ProviderError:
    """Return how an answer ends that stalls while later candidates need all but `left_s`."""
    limits = replace(limits_of(60, fallback_follows=fallback_follows), latest_first=in_s(left_s))
    provider = timed(ScriptedProvider(Delta("a"), Gate()), idle_s=1.5)

    async def run() -> None:
        stream = provider.stream_chat(chat_request(delivery=delivery), limits)
        async with aclosing(stream) as events:
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
async def test_a_stall_that_helps_nobody_else_has_all_of_its_patience(
    delivery: Delivery, *, fallback_follows: bool
) -> None:
    error = await stalled(left_s=0.2, delivery=delivery, fallback_follows=fallback_follows)

    assert not error.is_cut_short


@virtually
async def test_when_an_engine_dies_the_calls_that_hear_nothing_end_too() -> None:
    inner = ScriptedProvider()
    told, lively = Gate(), Gate()
    inner.will(Delta("a"), Gate())
    inner.will(told, ProviderError(ErrorKind.TRANSIENT, engine_died=True))
    inner.will(Delta("b"), lively, Delta("c"), done())
    provider = timed(inner)
    async with asyncio.TaskGroup() as group:
        silent = group.create_task(ending(provider))
        first = group.create_task(ending(provider))
        spared = group.create_task(read(provider))
        await told.reached()
        await lively.reached()
        told.open()
        await first
        lively.open()

    orphan, died = await silent, await first
    assert orphan.kind is ErrorKind.TRANSIENT
    assert died.kind is ErrorKind.TRANSIENT
    assert (True, False) == (orphan.is_cut_short, died.is_cut_short)
    assert [Delta("b"), Delta("c"), done()] == await spared


@virtually
async def test_who_would_end_sooner_anyway_is_no_orphan() -> None:
    inner = ScriptedProvider()
    told = Gate()
    inner.will(Delta("a"), Gate())
    inner.will(told, ProviderError(ErrorKind.TRANSIENT, engine_died=True))
    provider = timed(inner, idle_s=0.2)
    async with asyncio.TaskGroup() as group:
        silent = group.create_task(ending(provider))
        died = group.create_task(ending(provider))
        await told.reached()
        told.open()

    assert (await died).kind is ErrorKind.TRANSIENT
    assert (await silent).kind is ErrorKind.SILENT


@virtually
async def test_another_models_calls_hear_nothing_of_it() -> None:
    inner = ScriptedProvider()
    gate, told = Gate(), Gate()
    inner.will(gate, done())
    inner.will(told, ProviderError(ErrorKind.TRANSIENT, engine_died=True))
    provider = timed(inner)
    async with asyncio.TaskGroup() as group:
        other = group.create_task(read(provider, model="other"))
        dying = group.create_task(ending(provider))
        await gate.reached()
        told.open()
        await dying
        await loop_runs_on(0.05)
        gate.open()

    assert [done()] == await other


async def ending(provider: Timed) -> ProviderError:
    """Return how a call fails."""
    with pytest.raises(ProviderError) as failed:
        await read(provider)
    return failed.value
