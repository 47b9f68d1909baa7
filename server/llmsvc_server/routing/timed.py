"""Wrapper: limits silence. First content in time, then no gap too long."""

import asyncio
import math
from contextlib import aclosing

from llmsvc_server.chat.deadline import Budget
from llmsvc_server.chat.events import ChatEvents
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import ProviderInfo
from llmsvc_server.errors import ProviderTimeout
from llmsvc_server.providers.base import ChatProvider
from llmsvc_server.routing.interruption import Interruption


class Timed:
    """Ends an attempt whose upstream stays silent. Only time spent waiting for it counts."""

    def __init__(self, inner: ChatProvider, *, idle_s: float) -> None:
        """Limit the gaps of `inner` to `idle_s` seconds; the budget limits its first content."""
        self._inner = inner
        self._idle_s = idle_s

    @property
    def info(self) -> ProviderInfo:
        """The limited provider."""
        return self._inner.info

    async def stream_chat(self, request: ChatRequest, budget: Budget) -> ChatEvents:
        """Pass the answer on as long as it comes in time.

        Raises:
            ProviderTimeout: No content in time, or a gap that was too long.
            ProviderError: As the limited provider.
        """
        first_token_s = budget.first_token_by.remaining_s()
        if budget.first_token_by.at_s >= budget.finish_by.at_s:
            first_token_s = math.inf  # the caller's time ends first, and the door sees to that
        silence = _Silence()
        begun = False
        async with aclosing(self._inner.stream_chat(request, budget)) as events:
            try:
                silence.limit(first_token_s)
                # The consumer is cancelled outside of this loop: what arrives here at a wait is
                # either a cancel of the whole call, or ours.
                async for event in events:
                    silence.end()
                    begun = True
                    yield event
                    silence.limit(self._idle_s)
            except asyncio.CancelledError:
                if not silence.broke():
                    raise
                if begun:
                    raise ProviderTimeout(row="C06", phase="idle") from None
                raise ProviderTimeout(row="C05", phase="first_token") from None
            finally:
                silence.close()


class _Silence(Interruption):
    """One timer for a whole stream. It is set again only when it fires, not per event.

    `asyncio.timeout` around each event costs 5 us, this 0.2 us (facts/grpc-aio.md, 3).
    """

    __slots__ = ("_armed_s", "_due_s", "_handle", "_loop")

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._armed_s = math.inf
        self._due_s = math.inf

    def limit(self, limit_s: float) -> None:
        self.begin()
        self._due_s = due_s = self._loop.time() + limit_s
        if due_s < self._armed_s:
            self._arm()

    def close(self) -> None:
        self.end()
        if self._handle is not None:
            self._handle.cancel()

    def _arm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed_s = self._due_s
        self._handle = self._loop.call_at(self._due_s, self._fire)

    def _fire(self) -> None:
        self._handle, self._armed_s = None, math.inf
        if not self._waits or self._due_s == math.inf:
            return
        if self._loop.time() < self._due_s:
            self._arm()
            return
        self.interrupt()
