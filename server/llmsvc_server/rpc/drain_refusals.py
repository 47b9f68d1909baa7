"""The refusals of a server that drains, each told behind the word that its connection ends.

Who is refused before that calls again on the same connection: into the next refusal, or into the
moment of `server.stop`, in which gRPC's core cancels what it has not handed over yet, bare
(grpc/grpc#41785). Who waits for a refusal meanwhile calls nowhere, so that the moment finds nothing.
"""

import asyncio
import contextlib

MAX_HELD_S = 1.0
"""Also the longest that a drain waits for quiet: some callers do not wait for answers."""

MAX_HELD = 1000
"""Each keeps its request in memory; who comes above that is told at once."""

QUIET_S = 0.25
"""Longer than callers take from one answer to the next call to be here: a round trip, and their own
work."""


class DrainRefusals:
    """Keeps refusals back until it is released."""

    def __init__(self) -> None:
        """Keep back what comes."""
        self._released = asyncio.Event()
        self._came = 0
        self._held = 0

    async def wait(self, timeout_s: float) -> None:
        """Return when a refusal may be told: once released, or after `MAX_HELD_S` or `timeout_s`."""
        self._came += 1
        if self._held < MAX_HELD:
            self._held += 1
            try:
                await self._wait_released(min(MAX_HELD_S, timeout_s))
            finally:
                self._held -= 1

    async def wait_for_quiet(self) -> None:
        """Return when nobody came for `QUIET_S`; at once when released, late after `MAX_HELD_S`."""
        looks, before = round(MAX_HELD_S / QUIET_S), -1
        while looks and self._came != before and not self._released.is_set():
            looks, before = looks - 1, self._came
            await self._wait_released(QUIET_S)

    def release(self) -> None:
        """Let all be told, those that still come included."""
        self._released.set()

    async def _wait_released(self, timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._released.wait()
