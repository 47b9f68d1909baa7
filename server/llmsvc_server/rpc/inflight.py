"""The calls that run now: how many, waiting for their end, ending what is left."""

import asyncio
from types import TracebackType

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
        self._calls: dict[CallLimit, Call] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self._coming_s: float | None = None

    def __len__(self) -> int:
        """Return how many calls run."""
        return len(self._calls)

    def limit(self, call: Call) -> "CallLimit":
        """Return what holds a call in the registry while it is entered, and ends it in time."""
        return CallLimit(self, self._watchdog, call)

    def enter(self, limit: "CallLimit", call: Call) -> None:
        """Hold a call; its limit calls this."""
        self._calls[limit] = call
        self._watchdog.waits.add(limit)
        if len(self._calls) == 1:
            self._empty.clear()
        if self._coming_s is not None:
            # By the timer: who ends without a wait must not meet the cancel in a later one.
            call.draining = True
            limit.begin_until(asyncio.get_running_loop().time() + self._coming_s)

    def leave(self, limit: "CallLimit") -> None:
        """Let it go."""
        self._watchdog.waits.discard(limit)
        del self._calls[limit]
        if not self._calls:
            self._empty.set()

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


class CallLimit(TimedWait):
    """Ends one call at its `finish_by`, as `asyncio.timeout_at` would."""

    __slots__ = ("_call", "_in_flight")

    def __init__(self, in_flight: InFlight, watchdog: Watchdog, call: Call) -> None:
        """Belong to the task that runs the call."""
        super().__init__(watchdog)
        self._in_flight = in_flight
        self._call = call

    def __enter__(self) -> None:
        """Begin."""
        self.begin_until(self._call.finish_by.at_s)
        self._in_flight.enter(self, self._call)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Turn the cancel that ended the call into what it means.

        Raises:
            TimeoutError: Its time was over, or it was expired.
        """
        self.waits = False
        self._in_flight.leave(self)
        if self.broke() and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error


def _expire(call: Call, limit: CallLimit) -> None:
    # One that ran out of its own time is on its way out, and not told of a drain.
    if limit.interrupt():
        call.draining = True
