import asyncio
import contextlib
from contextlib import aclosing

import pytest

from llmsvc_server.chat.events import Delta, Done
from llmsvc_server.errors import ProviderError, ProviderFailed, ProviderTimeout
from llmsvc_server.routing.timed import Timed
from tests.fakes.gate import Gate
from tests.fakes.requests import budget_of, chat_request
from tests.fakes.scripted_provider import ScriptedProvider, done


def timed(inner: ScriptedProvider, *, idle_s: float = 60.0) -> Timed:
    return Timed(inner, idle_s=idle_s)


async def read(
    provider: Timed, *, first_token_s: float | None = None, length_s: float = 60.0
) -> list[object]:
    budget = budget_of(length_s, first_token_s=first_token_s)
    async with aclosing(provider.stream_chat(chat_request(), budget)) as events:
        return [event async for event in events]


async def loop_runs_on(length_s: float) -> None:
    """Return after `length_s`, by a timer of the loop's."""
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(length_s, passed.set)
    await passed.wait()


async def test_an_answer_in_time_passes_unchanged() -> None:
    events = await read(timed(ScriptedProvider(Delta("a"), Delta("b"), done())))

    assert [Delta("a"), Delta("b"), done()] == events


async def test_no_first_content_in_time_is_a_timeout() -> None:
    inner = ScriptedProvider(Gate())
    with pytest.raises(ProviderTimeout) as silent:
        await read(timed(inner), first_token_s=0.03)

    assert ("C05", "first_token") == (silent.value.row, silent.value.phase)
    assert inner.calls[0].left


async def test_a_gap_too_long_is_a_timeout_of_its_own() -> None:
    inner = ScriptedProvider(Delta("a"), Gate())
    with pytest.raises(ProviderTimeout) as silent:
        await read(timed(inner, idle_s=0.03))

    assert ("C06", "idle") == (silent.value.row, silent.value.phase)
    assert inner.calls[0].left


async def test_signs_of_life_start_the_gap_anew() -> None:
    provider = timed(ScriptedProvider(*[Delta("")] * 5, Delta("a"), done()), idle_s=0.05)

    assert 7 == len(await read(provider, first_token_s=0.05))


async def test_an_answer_longer_than_any_limit_passes_while_it_goes_on() -> None:
    first, second = Gate(), Gate()
    loop = asyncio.get_running_loop()
    loop.call_later(0.06, first.open)
    loop.call_later(0.12, second.open)
    inner = ScriptedProvider(Delta("a"), first, Delta("b"), second, done())

    assert 3 == len(await read(timed(inner, idle_s=0.1)))


async def test_time_that_the_consumer_takes_does_not_count() -> None:
    inner = ScriptedProvider(Delta("a"), Delta("b"), done())
    seen: list[object] = []
    async with aclosing(timed(inner, idle_s=0.03).stream_chat(chat_request(), budget_of())) as all_:
        async for event in all_:
            seen.append(event)
            await loop_runs_on(0.06)

    assert 3 == len(seen)


async def test_where_the_callers_time_ends_first_no_provider_is_blamed() -> None:
    inner = ScriptedProvider(Gate())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await read(timed(inner), first_token_s=0.01 + 60, length_s=0.01)

    assert inner.calls[0].left


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


async def test_the_providers_own_failure_passes() -> None:
    failure = ProviderFailed()
    with pytest.raises(ProviderError) as raised:
        await read(timed(ScriptedProvider(failure)))

    assert failure is raised.value


async def test_after_a_timeout_the_task_is_not_left_cancelled() -> None:
    with pytest.raises(ProviderTimeout):
        await read(timed(ScriptedProvider(Gate())), first_token_s=0.02)
    task = asyncio.current_task()
    assert task is not None

    assert 0 == task.cancelling()
    assert isinstance((await read(timed(ScriptedProvider())))[-1], Done)


async def test_a_gap_shorter_than_the_first_wait_ends_on_time() -> None:
    inner = ScriptedProvider(Delta("a"), Gate())
    with pytest.raises(ProviderTimeout):
        await read(timed(inner, idle_s=0.02), first_token_s=30)

    assert inner.info is timed(inner).info
