"""Requests whose bytes still arrive: they gather in gRPC's core, where nobody sees how many.

The core takes as much of a request as the limit of a message allows, on every stream of every
connection, whether the rest ever comes or not. So a few may arrive at their leisure; of more than
those the oldest are given up as soon as memory is short. A usual request is there at once.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import islice

from llmsvc_server.chat.deadline import Clock
from llmsvc_server.errors import InvalidRequest, Overloaded, Violation, ViolationReason
from llmsvc_server.rpc.door.interface import Context
from llmsvc_server.watchdog import TimedWait, Watchdog

GRACE_S = 0.05
"""Nobody is given up before."""

CHECK_S = 0.01
"""Between two checks of the memory. A fast network brings ten megabytes meanwhile."""

LARGE_BYTES = 64 * 1024
"""Larger requests, which take milliseconds to decode, leave the loop to others in between."""

RETRY_AFTER_S = 1.0
LEAVING_S = 0.05
"""A caller that leaves shows first as one that sends nothing, and at once as a cancel."""


class Arrivals:
    """Reads requests."""

    def __init__(
        self, *, max_arriving: int, is_memory_short: Callable[[], bool], clock: Clock
    ) -> None:
        """Let `max_arriving` requests arrive in any case, and more while memory is not short."""
        self._max_arriving = max_arriving
        self._is_memory_short = is_memory_short
        self._clock = clock
        self._arriving: dict[TimedWait, float] = {}
        self._watchdog = Watchdog()  # with nothing to do: what ends an arrival is the check
        self._is_checked = False
        self._turn = asyncio.Lock()

    async def read_request(self, context: Context) -> bytes:
        """Return the one request of a call.

        Raises:
            InvalidRequest: None came.
            Overloaded: It took too long while memory was short.
        """
        raw = await self._read(context)
        if raw is None:
            await asyncio.sleep(LEAVING_S)
            nothing = Violation("", ViolationReason.MISSING, "send one message")
            raise InvalidRequest([nothing])
        return raw

    async def read_requests(self, context: Context) -> AsyncIterator[bytes]:
        """Yield the requests of a call, as they come.

        Raises:
            Overloaded: One took too long while memory was short.
        """
        while (raw := await self._read(context)) is not None:
            yield raw

    async def _read(self, context: Context) -> bytes | None:
        arrival = TimedWait(self._watchdog)
        self._arriving[arrival] = self._clock()
        if len(self._arriving) > self._max_arriving and not self._is_checked:
            self._check_in(GRACE_S)
        arrival.waits = True
        try:
            raw: object = await context.read()
            if isinstance(raw, bytes) and len(raw) > LARGE_BYTES:
                async with self._turn:
                    await asyncio.sleep(0)
        except asyncio.CancelledError:
            if arrival.broke():
                raise Overloaded(RETRY_AFTER_S) from None
            raise
        finally:
            arrival.waits = False
            del self._arriving[arrival]
        return raw if isinstance(raw, bytes) else None

    def _check_in(self, pause_s: float) -> None:
        self._is_checked = True
        _ = asyncio.get_running_loop().call_later(pause_s, self._check)

    def _check(self) -> None:
        self._is_checked = False
        excess = len(self._arriving) - self._max_arriving
        if excess <= 0:
            return
        self._check_in(CHECK_S)
        if not self._is_memory_short():
            return
        due_s = self._clock() - GRACE_S
        for arrival, began_s in list(islice(self._arriving.items(), excess)):
            if began_s <= due_s:
                arrival.interrupt()
