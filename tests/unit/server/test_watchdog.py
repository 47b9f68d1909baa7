import asyncio
import contextlib
import socket
import threading
import weakref
from contextvars import ContextVar

import pytest

from llmsvc_server.watchdog import TimedWait, Watchdog
from tests.fakes.eventually import eventually
from tests.fakes.virtual_time import virtually


class Answer:
    """What a call holds."""


held: ContextVar[Answer] = ContextVar("held")


async def waits(watchdog: Watchdog, length_s: float, *, over: asyncio.Event | None = None) -> bool:
    """Wait for `over`, else for ever, under a limit; return whether that interrupted it."""
    wait = TimedWait(watchdog)
    watchdog.waits.add(wait)
    wait.begin_until(asyncio.get_running_loop().time() + length_s)
    try:
        await (over or asyncio.Event()).wait()
    except asyncio.CancelledError:
        assert wait.broke()
        return True
    finally:
        wait.waits = False
        watchdog.waits.discard(wait)
    return False


async def in_order(watchdog: Watchdog, *lengths_s: float) -> list[float]:
    """Wait under all of these at once; return them in the order in which they were interrupted."""
    ended: list[float] = []

    async def one(length_s: float) -> None:
        assert await waits(watchdog, length_s)
        ended.append(length_s)

    async with asyncio.TaskGroup() as group:
        for length_s in lengths_s:
            group.create_task(one(length_s))
    return ended


@pytest.mark.parametrize("lengths_s", [(0.01, 0.03, 0.02), (0.03, 0.01), (0.02, -1.0)])
@virtually
async def test_each_wait_ends_at_its_own_time(lengths_s: tuple[float, ...]) -> None:
    assert sorted(lengths_s) == await in_order(Watchdog(), *lengths_s)


@virtually
async def test_who_is_done_in_time_is_not_interrupted_and_leaves_the_others_theirs() -> None:
    watchdog = Watchdog()
    async with asyncio.TaskGroup() as group:
        over = asyncio.Event()
        over.set()
        quick = group.create_task(waits(watchdog, 0.02, over=over))
        slow = group.create_task(waits(watchdog, 0.03))

    assert (False, True) == (quick.result(), slow.result())


@virtually
async def test_a_wait_that_began_anew_has_its_new_time() -> None:
    watchdog, loop = Watchdog(), asyncio.get_running_loop()
    wait = TimedWait(watchdog)
    watchdog.waits.add(wait)
    began_s = loop.time()
    wait.begin_until(began_s + 0.01)
    wait.begin_until(began_s + 0.04)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.Event().wait()
    took_s = loop.time() - began_s

    assert wait.broke()
    assert 0.04 <= took_s < 0.05


@virtually
async def test_nobody_is_interrupted_between_two_waits() -> None:
    watchdog = Watchdog()
    wait = TimedWait(watchdog)
    watchdog.waits.add(wait)
    wait.begin_until(0.0)
    wait.waits = False
    later = await waits(watchdog, 0.01)

    assert later
    assert not wait.fired


@virtually
async def test_a_wait_without_an_end_needs_none() -> None:
    watchdog, over = Watchdog(), asyncio.Event()
    over.set()

    assert not await waits(watchdog, float("inf"), over=over)
    assert await waits(watchdog, 0.01)


async def test_the_timer_keeps_nothing_of_the_call_that_set_it() -> None:
    watchdog, answer, over = Watchdog(), Answer(), asyncio.Event()
    kept = weakref.ref(answer)
    over.set()

    async def call(holds: Answer) -> None:
        held.set(holds)
        assert not await waits(watchdog, 60, over=over)

    async with asyncio.TaskGroup() as group:
        group.create_task(call(answer))
    del answer

    await eventually(lambda: kept() is None)


async def test_what_came_while_the_loop_stood_still_came_in_time() -> None:
    watchdog, loop = Watchdog(), asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)

    def stand_still() -> None:
        theirs.send(b"a")
        threading.Event().wait(0.05)

    with theirs, contextlib.closing(writer):
        wait = TimedWait(watchdog)
        watchdog.waits.add(wait)
        wait.begin_until(loop.time() + 0.01)
        loop.call_soon(stand_still)
        read = await reader.read(1)
        wait.waits = False
        watchdog.waits.discard(wait)
        await waits(watchdog, 0.01)  # all that was due is interrupted by then

    assert read == b"a"
    assert not wait.fired


async def test_it_says_how_many_it_watches() -> None:
    watchdog = Watchdog()
    idle = repr(watchdog)
    wait = TimedWait(watchdog)
    watchdog.waits.add(wait)
    wait.begin_until(asyncio.get_running_loop().time() + 60)
    armed = repr(watchdog)
    wait.waits = False

    assert ("<Watchdog: 0 watched, idle>", "<Watchdog: 1 watched, armed>") == (idle, armed)
