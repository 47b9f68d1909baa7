"""Waits that can be ended from outside, many of them with one timer.

What ends one comes as a failure of what is waited for, not as a cancel: see `TimedWait.broke`.
"""

import asyncio
import math
from contextvars import Context

from typing_extensions import override

TICK_S = 0.001
"""uvloop's clock and timers count in these: a timer that comes early would come many times."""

LOOKS = 3
"""How often the loop looks for what has arrived before it calls a wait too long. If it stood still,
what came in time lies in the kernel: one turn may only find out how late it is, one reads, and who
reads much gives way once before the piece counts."""


class Watchdog:
    """The timed waits of many tasks. Its timer is set again when it fires, or for an earlier end.

    Attributes:
        loop: Whose tasks wait. Asked of it, for to find the running one is a system call each time.
        waits: Those that it watches.
        armed_s: When it looks next, on the loop's clock; infinite where nobody waits.

    `asyncio.timeout` costs 5 us each time, and a timer of its own for each wait 0.6 KiB; this costs
    a wait 0.2 us (docs/facts/grpc-aio.md 2).
    """

    def __init__(self) -> None:
        """Watch nobody of the running loop."""
        self.loop = asyncio.get_running_loop()
        self.waits: set[TimedWait] = set()
        # Else the timer holds what the call that set it holds, long after that call.
        self._context = Context()
        self._timer: asyncio.TimerHandle | None = None
        self.armed_s = math.inf

    @override
    def __repr__(self) -> str:
        """Return how many are watched, and whether the timer runs."""
        return f"<Watchdog: {len(self.waits)} watched, {'armed' if self._timer else 'idle'}>"

    def look_at(self, due_s: float) -> None:
        """See at `due_s`, on the loop's clock and before any other time, who is due then."""
        if self._timer is not None:
            self._timer.cancel()
        self.armed_s = due_s
        self._timer = self.loop.call_at(due_s, self._fire, context=self._context)

    def _fire(self) -> None:
        self._timer, self.armed_s = None, math.inf
        now_s = self.loop.time()
        next_s = min((one.due_s for one in self.waits if one.due_s > now_s), default=math.inf)
        if next_s < math.inf:
            self.look_at(max(next_s, now_s + TICK_S))
        self._look_again(now_s, LOOKS)

    def _look_again(self, now_s: float, looks: int) -> None:
        """Interrupt who was due at `now_s` and is still, so many turns of the loop later."""
        due = [one for one in self.waits if one.due_s <= now_s]
        if due and looks:
            self.loop.call_later(TICK_S, self._look_again, now_s, looks - 1, context=self._context)
            return
        for one in due:
            one.interrupt()


class TimedWait:
    """The waits of one task, one at a time, and when the one that runs is interrupted.

    Attributes:
        waits: Whether the task waits now, and so may be interrupted: from `begin_until` on, and no
            more where it is set to False.
        due_s: When it is interrupted, on the loop's clock; infinite for never.
        fired: Whether it was interrupted; it is not interrupted again.
    """

    __slots__ = ("_cancelling", "_task", "_watchdog", "due_s", "fired", "waits")

    def __init__(self, watchdog: Watchdog) -> None:
        """Be of the running task, and `watchdog`'s once it is among its waits."""
        task = asyncio.current_task(watchdog.loop)
        assert task is not None  # noqa: S101  who waits is a task
        self._task: asyncio.Task[object] = task
        self._cancelling = self._task.cancelling()
        self._watchdog = watchdog
        self.waits = False
        self.due_s = math.inf
        self.fired = False

    def begin_until(self, due_s: float) -> None:
        """Note that a wait begins, which is interrupted at `due_s`."""
        self.waits = True
        self.due_s = due_s
        if due_s < self._watchdog.armed_s:
            self._watchdog.look_at(due_s)

    def interrupt(self) -> bool:
        """End the wait. Return False if there is none, or another interruption was first."""
        if not self.waits or self.fired:
            return False
        self.fired = True
        _ = self._task.cancel()
        return True

    def broke(self) -> bool:
        """Return whether the cancel that just arrived is this interruption, and nobody else's."""
        return self.fired and self._task.uncancel() <= self._cancelling
