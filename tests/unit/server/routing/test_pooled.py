import asyncio
from contextlib import aclosing

import pytest

from llmsvc_server.chat.events import Delta
from llmsvc_server.errors import ProviderFailed, QueueFull, ShuttingDown
from llmsvc_server.reports import Subject
from llmsvc_server.routing.budget import Patience
from llmsvc_server.routing.pooled import REMEMBERED_MODELS, Pooled
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.listening_reporter import ListeningReporter
from tests.fakes.requests import budget_of, chat_request
from tests.fakes.scripted_provider import ScriptedProvider, done


def pooled(
    inner: ScriptedProvider,
    *,
    slots: int = 1,
    max_queued: int = 64,
    reporter: ListeningReporter | None = None,
) -> Pooled:
    return Pooled(
        inner,
        slots_per_model=slots,
        max_queued=max_queued,
        queue_timeout_s=10,
        patience=Patience(first_token_s=7, cold_s=70, is_loaded=lambda _model: True),
        clock=asyncio.get_running_loop().time,
        reporter=reporter or ListeningReporter(),
    )


async def read(provider: Pooled, model: str = "phi3:mini") -> list[object]:
    request = chat_request(model=model)
    async with aclosing(provider.stream_chat(request, budget_of(first_token_s=1))) as events:
        return [event async for event in events]


async def test_no_more_than_the_slots_run_and_all_are_answered() -> None:
    gate = Gate()
    inner = ScriptedProvider(gate, Delta("a"), done())
    provider = pooled(inner, slots=2)

    async def open_when_full() -> None:
        await gate.reached(2)
        gate.open()

    *answers, _ = await asyncio.gather(*(read(provider) for _ in range(20)), open_when_full())

    assert [[Delta("a"), done()]] * 20 == answers
    assert 2 == inner.most_running
    assert 0 == provider.in_flight


async def test_models_do_not_wait_for_each_other() -> None:
    gate = Gate()
    inner = ScriptedProvider(gate, done())
    provider = pooled(inner)
    async with asyncio.TaskGroup() as group:
        for model in ("a", "b"):
            _ = group.create_task(read(provider, model))
        await gate.reached(2)
        gate.open()

    assert 2 == inner.most_running


async def test_the_slot_is_kept_until_the_upstream_is_closed() -> None:
    inner = ScriptedProvider(Delta("a"), Delta("b"), done())
    inner.closing = Gate()
    provider = pooled(inner)
    events = provider.stream_chat(chat_request(model="m"), budget_of())
    await anext(events)
    async with asyncio.TaskGroup() as group:
        closing = group.create_task(events.aclose())
        await inner.closing.reached()
        held = provider.in_flight
        inner.closing.open()
        await closing

    assert (1, 0) == (held, provider.in_flight)


async def test_a_failure_frees_the_slot() -> None:
    provider = pooled(ScriptedProvider(ProviderFailed()))
    for _ in range(3):
        with pytest.raises(ProviderFailed):
            await read(provider)

    assert 0 == provider.in_flight


async def test_patience_starts_anew_after_a_wait() -> None:
    gate = Gate()
    inner = ScriptedProvider(gate, done())
    provider = pooled(inner)
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            _ = group.create_task(read(provider))
        await gate.reached()
        gate.open()
    first, second = (call.budget.first_token_by for call in inner.calls)

    assert 5 < second.at_s - first.at_s <= 7


async def test_the_first_wait_is_told_once_with_the_remedy() -> None:
    gate, reporter = Gate(), ListeningReporter()
    provider = pooled(ScriptedProvider(gate, done()), reporter=reporter)

    async def open_when_running() -> None:
        await gate.reached()
        gate.open()

    await asyncio.gather(*(read(provider) for _ in range(4)), open_when_running())
    told = [change for change in reporter.changes if change.subject is Subject.QUEUE]

    assert ["ollama/phi3:mini"] == [change.name for change in told]
    assert "OLLAMA_NUM_PARALLEL" in told[0].detail


async def test_a_closed_pool_sends_waiters_away_and_lets_runners_finish() -> None:
    gate = Gate()
    provider = pooled(ScriptedProvider(gate, done()))

    async def close() -> None:
        await gate.reached()
        provider.close()
        gate.open()

    running, waiting, _ = await asyncio.gather(
        read(provider), read(provider), close(), return_exceptions=True
    )

    assert [done()] == running
    assert isinstance(waiting, ShuttingDown)


async def test_a_closed_pool_has_no_queue_for_models_that_come_later_either() -> None:
    gate = Gate()
    provider = pooled(ScriptedProvider(gate, done()))
    provider.close()

    async def open_when_running() -> None:
        await gate.reached()
        gate.open()

    first, second, _ = await asyncio.gather(
        read(provider, "late"), read(provider, "late"), open_when_running(), return_exceptions=True
    )

    assert [done()] == first
    assert isinstance(second, ShuttingDown)


async def test_a_full_queue_refuses() -> None:
    gate = Gate()
    provider = pooled(ScriptedProvider(gate, done()), max_queued=0)
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(read(provider))
        await gate.reached()
        with pytest.raises(QueueFull):
            await read(provider)
        gate.open()


async def test_a_cancelled_waiter_costs_nothing() -> None:
    gate = Gate()
    inner = ScriptedProvider(gate, done())
    provider = pooled(inner)
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(read(provider))
        await gate.reached()
        waiting = [group.create_task(read(provider)) for _ in range(10)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await eventually(lambda: all(task.done() for task in waiting))
        gate.open()

    assert 1 == len(inner.calls)
    assert 0 == provider.in_flight


async def test_models_that_nobody_uses_any_more_are_not_remembered_for_ever() -> None:
    provider = pooled(ScriptedProvider(done()))
    for number in range(REMEMBERED_MODELS * 2):
        await read(provider, f"model-{number}")

    assert len(provider._lines) <= REMEMBERED_MODELS  # noqa: SLF001  memory is what is asked
