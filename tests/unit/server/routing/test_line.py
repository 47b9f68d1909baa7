import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from llmsvc_server.chat.deadline import Budget
from llmsvc_server.errors import QueueFull, ShuttingDown
from llmsvc_server.routing.line import Line
from tests.fakes.eventually import eventually
from tests.fakes.requests import budget_of


def line_of(*, slots: int = 1, max_queued: int = 64) -> Line:
    return Line(slots=slots, max_queued=max_queued)


@asynccontextmanager
async def slot(line: Line, budget: Budget) -> AsyncIterator[bool]:
    waited = await line.enter(budget, most_wait_s=10)
    try:
        yield waited
    finally:
        line.leave()


class Visitors:
    """Tasks that each hold a slot until they are let go, and the order in which they came in."""

    def __init__(self, group: asyncio.TaskGroup, line: Line) -> None:
        self.entered: list[str] = []
        self._go = asyncio.Event()
        self._group = group
        self._line = line

    def send(self, name: str, *, length_s: float = 60.0) -> asyncio.Task[None]:
        return self._group.create_task(self._visit(name, length_s))

    def let_go(self) -> None:
        self._go.set()

    async def _visit(self, name: str, length_s: float) -> None:
        async with slot(self._line, budget_of(length_s)):
            self.entered.append(name)
            await self._go.wait()


async def test_a_free_slot_is_not_waited_for() -> None:
    line = line_of()
    async with slot(line, budget_of()) as waited:
        assert not waited
        assert 1 == line.running

    assert line.idle


async def test_who_waits_comes_in_order_and_never_more_than_the_slots() -> None:
    line = line_of(slots=2)
    async with asyncio.TaskGroup() as group:
        visitors = Visitors(group, line)
        for name in "abcde":
            _ = visitors.send(name)
        await eventually(lambda: line.waiting == 3)

        assert ["a", "b"] == visitors.entered
        assert 2 == line.running
        visitors.let_go()

    assert list("abcde") == visitors.entered
    assert line.idle


async def test_a_newcomer_does_not_overtake_who_waits() -> None:
    line = line_of()
    async with asyncio.TaskGroup() as group:
        visitors = Visitors(group, line)
        _ = visitors.send("a")
        _ = visitors.send("b")
        await eventually(lambda: line.waiting == 1)
        visitors.let_go()
        _ = visitors.send("c")

    assert ["a", "b", "c"] == visitors.entered


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back() -> None:
    line = line_of(max_queued=1)
    async with asyncio.TaskGroup() as group:
        visitors = Visitors(group, line)
        _ = visitors.send("a")
        _ = visitors.send("b")
        await eventually(lambda: line.waiting == 1)
        with pytest.raises(QueueFull) as refused:
            async with slot(line, budget_of()):
                pass
        visitors.let_go()

    assert refused.value.retry_after_s is not None
    assert 1 <= refused.value.retry_after_s <= 30
    assert not refused.value.called


async def test_a_cancelled_waiter_leaves_its_place_to_the_next() -> None:
    line = line_of()
    async with asyncio.TaskGroup() as group:
        visitors = Visitors(group, line)
        _ = visitors.send("a")
        leaving = visitors.send("b")
        _ = visitors.send("c")
        await eventually(lambda: line.waiting == 2)
        leaving.cancel()
        await eventually(lambda: line.waiting == 1)
        visitors.let_go()

    assert ["a", "c"] == visitors.entered
    assert line.idle


async def test_a_slot_given_in_the_moment_of_leaving_goes_to_the_next() -> None:
    line = line_of()
    await line.enter(budget_of(), most_wait_s=10)
    async with asyncio.TaskGroup() as group:
        visitors = Visitors(group, line)
        leaving = visitors.send("b")
        _ = visitors.send("c")
        await eventually(lambda: line.waiting == 2)
        line.leave()  # the slot goes to "b" ...
        leaving.cancel()  # ... who is leaving
        await eventually(lambda: "c" in visitors.entered)
        visitors.let_go()

    assert ["c"] == visitors.entered
    assert line.idle


async def test_a_waiter_that_is_leaving_is_passed_over() -> None:
    line = line_of()
    await line.enter(budget_of(), most_wait_s=10)
    async with asyncio.TaskGroup() as group:
        visitors = Visitors(group, line)
        leaving = visitors.send("b")
        _ = visitors.send("c")
        await eventually(lambda: line.waiting == 2)
        leaving.cancel()
        line.leave()
        await eventually(lambda: "c" in visitors.entered)
        leaving_too = visitors.send("d")
        await eventually(lambda: line.waiting == 1)
        leaving_too.cancel()
        line.close()
        visitors.let_go()

    assert ["c"] == visitors.entered
    assert line.idle


async def test_with_a_fallback_a_wait_ends_after_a_quarter_of_the_time_left() -> None:
    line = line_of()
    async with slot(line, budget_of()):
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(QueueFull):
            async with slot(line, budget_of(0.4, fallback_follows=True)):
                pass
        took_s = asyncio.get_running_loop().time() - began_s

    assert 0.05 < took_s < 0.35
    assert line.idle


async def test_without_a_fallback_a_wait_ends_when_a_usual_answer_would_come_too_late() -> None:
    line = line_of()
    await line.enter(budget_of(), most_wait_s=10)
    line.leave(answered_in_s=40)
    async with slot(line, budget_of()):
        with pytest.raises(QueueFull):
            async with slot(line, budget_of(39)):
                pass

    assert line.idle


async def test_a_closed_line_sends_waiters_away_and_lets_runners_finish() -> None:
    line = line_of()

    async def close() -> None:
        await eventually(lambda: line.waiting == 2)
        line.close()

    async with slot(line, budget_of()):
        first, second, _ = await asyncio.gather(
            _pass(line), _pass(line), close(), return_exceptions=True
        )
        late = await asyncio.gather(_pass(line), return_exceptions=True)

    assert [ShuttingDown] * 3 == [type(first), type(second), type(late[0])]
    assert line.idle


async def _pass(line: Line) -> None:
    async with slot(line, budget_of()):
        pass
