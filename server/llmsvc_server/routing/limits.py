"""Interruptions at points in time, all with one timer."""

import asyncio
import math
from contextvars import Context

from llmsvc_server.routing.interruption import Interruption

TICK_S = 0.001
"""uvloop's clock and timers count in these: a timer that comes early would come many times."""


LOOKS = 3
"""How often the loop looks for what has arrived before it calls a wait too long. If it stood still,
what came in time lies in the kernel: one turn may only find out how late it is, one reads, and who
reads much gives way once before the piece counts."""


class Limits:
    """The limits that run. The timer is set again when it fires, or for an earlier end.

    `asyncio.timeout` costs 5 us each time, and a timer of its own for each wait 0.6 KiB; this costs
    a wait 0.2 us (docs/facts/grpc-aio.md 2).
    """

    def __init__(self) -> None:
        """Have none."""
        self._limits: set[Limit] = set()
        # Else the timer holds what the call that set it holds, long after that call.
        self._context = Context()
        self._timer: asyncio.TimerHandle | None = None
        self._armed_s = math.inf

    def add(self, limit: "Limit") -> None:
        """Let a limit run."""
        self._limits.add(limit)

    def discard(self, limit: "Limit") -> None:
        """Let it run no more."""
        self._limits.discard(limit)

    def look_at(self, due_s: float) -> None:
        """See at `due_s`, on the loop's clock, who is due then."""
        if due_s < self._armed_s:
            if self._timer is not None:
                self._timer.cancel()
            self._armed_s = due_s
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(due_s, self._fire, context=self._context)

    def _fire(self) -> None:
        self._timer, self._armed_s = None, math.inf
        now_s = asyncio.get_running_loop().time()
        next_s = min((one.due_s for one in self._limits if one.due_s > now_s), default=math.inf)
        if next_s < math.inf:
            self.look_at(max(next_s, now_s + TICK_S))
        self._look_again(now_s, LOOKS)

    def _look_again(self, now_s: float, looks: int) -> None:
        """Interrupt who was due at `now_s` and is still, so many turns of the loop later."""
        due = [one for one in self._limits if one.due_s <= now_s]
        if due and looks:
            loop = asyncio.get_running_loop()
            loop.call_later(TICK_S, self._look_again, now_s, looks - 1, context=self._context)
            return
        for one in due:
            one.interrupt()


class Limit(Interruption):
    """One wait of a task, and when it is interrupted.

    Attributes:
        due_s: When, on the loop's clock; infinite for never.
    """

    __slots__ = ("_limits", "due_s")

    def __init__(self, limits: Limits) -> None:
        """Be one of `limits` once it is added, for waits of the running task."""
        super().__init__()
        self._limits = limits
        self.due_s = math.inf

    def begin_until(self, due_s: float) -> None:
        """Note that a wait begins, which is interrupted at `due_s`."""
        self.begin()
        self.due_s = due_s
        self._limits.look_at(due_s)
