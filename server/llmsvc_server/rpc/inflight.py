"""The calls that run now: how many, waiting for their end, ending what is left."""

import asyncio

from llmsvc_server.rpc.callinfo import Call
from llmsvc_server.rpc.drain_refusals import DrainRefusals
from llmsvc_server.watchdog import TimedWait, Watchdog

ARRIVING_S = 0.05
"""What a request gets to arrive in once the gate is closed: it is refused in any case."""


class InFlight:
    """`server.stop` knows of connections, not of coroutines; this registry does.

    Attributes:
        refusals: Keeps back the refusals of a drain.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.refusals = DrainRefusals()
        self._watchdog = Watchdog()
        self._calls: dict[TimedWait, Call] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self._coming_s: float | None = None

    def __len__(self) -> int:
        """Return how many calls run."""
        return len(self._calls)

    def enter(self, call: Call) -> TimedWait:
        """Hold a call, and return what interrupts its task, the running one, when its time is over."""
        limit = TimedWait(self._watchdog)
        self._calls[limit] = call
        self._watchdog.waits.add(limit)
        if len(self._calls) == 1:
            self._empty.clear()
        due_s = call.finish_by.at_s
        if self._coming_s is not None:
            # By the timer: who ends without a wait must not meet the cancel in a later one.
            call.draining = True
            due_s = asyncio.get_running_loop().time() + self._coming_s
        limit.begin_until(due_s)
        return limit

    def leave(self, limit: TimedWait) -> bool:
        """Let a call go. Return whether it ends because its time was over, or it was expired."""
        limit.waits = False
        self._watchdog.waits.discard(limit)
        del self._calls[limit]
        if not self._calls:
            self._empty.set()
        return limit.fired and limit.broke()

    async def empty(self) -> None:
        """Return when no call runs."""
        await self._empty.wait()

    def close(self) -> None:
        """End the calls whose requests have not arrived, and those of which none does at once.

        The gate, closed before, refuses all others that come: nobody's request is waited for.
        """
        self._coming_s = ARRIVING_S
        for limit, call in self._calls.items():
            if not call.has_arrived:
                _expire(call, limit)

    def expire(self) -> None:
        """End every call that runs, or still comes, with a status of its own."""
        self._coming_s = 0.0
        self.refusals.release()
        for limit, call in self._calls.items():
            _expire(call, limit)


def _expire(call: Call, limit: TimedWait) -> None:
    # One that ran out of its own time is on its way out, and not told of a drain.
    if limit.interrupt():
        call.draining = True
