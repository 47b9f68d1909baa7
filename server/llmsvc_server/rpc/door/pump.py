"""gRPC's completion queue, worked off by the event loop itself.

With the older poller gRPC does its I/O in whoever asks the queue. Its one epoll descriptor can be
watched like any other, so nobody has to wait in a thread, and nothing has to be handed over.
"""

import asyncio
import contextvars
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from typing_extensions import override

from llmsvc_server.rpc.door.batch import Batch
from llmsvc_server.rpc.door.core import NO_EVENT, CompletionQueue
from llmsvc_server.rpc.door.interface import NoSuchDoor

DESCRIPTORS = Path("/proc/self/fd")
EPOLL = "anon_inode:[eventpoll]"

MAX_EMPTY_ANSWERS = 4
"""Without an event, in a row, before the queue counts as empty. gRPC handles one readiness event
each time that it is asked (docs/facts/hot-path.md 3); most of them are good for an event."""

MAX_EMPTY_ANSWERS_AT_A_TICK = 16
"""At a tick, where more may have been left behind."""

MAX_EVENTS = 16
"""Worked off in one go, before the loop does something else: whoever is being served comes first."""

BUSY_TICK_S = 0.01
IDLE_TICK_S = 0.05
"""Between looks without a wake: for what gRPC's own threads complete, and what was left behind
(docs/facts/hot-path.md 3)."""


class Pump(Protocol):
    """Works off a completion queue: calls each event's tag with the event, on the loop.

    Attributes:
        loop: Where.
        queue: For servers to register.
    """

    loop: asyncio.AbstractEventLoop
    queue: Any

    def work_until(self, batch: Batch) -> bool:
        """Work off what is there already, until `batch` is over; return whether it is."""
        ...

    def look_soon(self) -> None:
        """Look for events at the loop's next turn."""
        ...

    def ask(self, request: Callable[[], object]) -> None:
        """Make a request for a new call, now or at the loop's next turn."""
        ...


_CLOSED: "list[LoopPump]" = []


class LoopPump(Pump):
    """Of the running loop. There is one in a process, and no other user of gRPC beside it."""

    def __init__(self) -> None:
        """Make the process's first completion queue, and watch it.

        Raises:
            NoSuchDoor: It is not the first, or does not use epoll.
        """
        self.loop = asyncio.get_running_loop()
        before = _find_epolls()
        self.queue = CompletionQueue()
        new = _find_epolls() - before
        if len(new) != 1:
            raise NoSuchDoor("gRPC runs in this process already, or doesn't use epoll here")
        # A wake in the middle of one call must not hand its variables to those it brings.
        self._context = contextvars.copy_context()
        self._is_looking_soon = False
        self._was_busy = False
        self._is_in_a_call = False
        self._requests: list[Callable[[], object]] = []
        self._ticking: asyncio.TimerHandle | None = None
        (self._epoll,) = new
        self.loop.add_reader(self._epoll, self._look)

    @override
    def __repr__(self) -> str:
        """Return what makes it look for events."""
        if self in _CLOSED:
            return "<LoopPump: closed>"
        return f"<LoopPump: {'wakes and ticks' if self._ticking else 'wakes'}>"

    def begin_ticking(self) -> None:
        """Look now and then, too. Until then only what wakes the loop is worked off."""
        self._ticking = self.loop.call_later(IDLE_TICK_S, self._tick, context=self._context)

    def close(self) -> None:
        """Watch no more: others use gRPC now."""
        self.loop.remove_reader(self._epoll)
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        # For good: whoever deallocates a queue waits in it for all that it is still to get.
        _CLOSED.append(self)

    @override
    def work_until(self, batch: Batch) -> bool:
        self._is_in_a_call = True
        for _ in range(MAX_EVENTS):
            event = self.queue.poll(0)
            if event.completion_type == NO_EVENT:
                break
            if event.tag is batch:
                batch.success = event.success  # as it would itself, in one step
                break
            event.tag(event)
        self._is_in_a_call = False
        if batch.success is not None:
            return True
        # gRPC was asked in vain, or not to the end: what it has fetched by now wakes nobody.
        self.look_soon()
        return False

    @override
    def look_soon(self) -> None:
        if not self._is_looking_soon:
            self._is_looking_soon = True
            self.loop.call_soon(self._look, context=self._context)

    @override
    def ask(self, request: Callable[[], object]) -> None:
        if self._is_in_a_call:
            # Each call is good for several events: if each brought in another one, more would be
            # begun than ended.
            self._requests.append(request)
            self.look_soon()
        else:
            request()

    def _tick(self) -> None:
        was_busy = self._was_busy
        found = self._look(MAX_EMPTY_ANSWERS_AT_A_TICK if was_busy else 1)
        pause_s = BUSY_TICK_S if found or was_busy else IDLE_TICK_S
        self._was_busy = False
        self._ticking = self.loop.call_later(pause_s, self._tick, context=self._context)

    def _look(self, empty_answers: int = MAX_EMPTY_ANSWERS) -> int:
        """Work off events until so many times in a row there was none; return how many."""
        self._is_looking_soon = False
        self._was_busy = True
        while self._requests:
            self._requests.pop()()
        found = empty = 0
        while empty < empty_answers and found < MAX_EVENTS:
            event = self.queue.poll(0)
            if event.completion_type == NO_EVENT:
                empty += 1
            else:
                event.tag(event)
                found, empty = found + 1, 0
        if found == MAX_EVENTS:
            self.look_soon()
        return found


def _find_epolls() -> set[int]:
    found = set()
    for entry in DESCRIPTORS.iterdir():
        with suppress(OSError):  # the one that lists them is gone by now
            if str(entry.readlink()) == EPOLL:
                found.add(int(entry.name))
    return found
