"""The calls that run now: how many, waiting for their end, ending what is left."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from llmsvc_server.rpc.callinfo import Call


class InFlight:
    """`server.stop` knows of connections, not of coroutines; this registry does."""

    def __init__(self) -> None:
        """Start empty."""
        self._calls: dict[Call, asyncio.Timeout] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self._expired = False

    def __len__(self) -> int:
        """Return how many calls run."""
        return len(self._calls)

    @contextmanager
    def registered(self, call: Call, limit: asyncio.Timeout) -> Iterator[None]:
        """Hold one call, which `limit` can end, in the registry."""
        self._calls[call] = limit
        self._empty.clear()
        if self._expired:
            self._expire(call, limit)
        try:
            yield
        finally:
            del self._calls[call]
            if not self._calls:
                self._empty.set()

    async def empty(self) -> None:
        """Return when no call runs."""
        await self._empty.wait()

    def expire(self) -> None:
        """End every call that runs, or still comes, with a status of its own."""
        self._expired = True
        for call, limit in self._calls.items():
            self._expire(call, limit)

    def _expire(self, call: Call, limit: asyncio.Timeout) -> None:
        if limit.expired():
            return  # it is on its way out, and a timeout that fired cannot be set again
        call.draining = True
        limit.reschedule(asyncio.get_running_loop().time())
