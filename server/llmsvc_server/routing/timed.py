"""Wrapper: limits silence. First content in time, then no gap too long.

When a model's engine dies, Ollama 0.10.1 tells one of its calls; the others hear nothing more, and
keep a new engine from starting until they leave. So they are given a moment, and then end too.
"""

import asyncio
import math
from contextlib import aclosing

from llmsvc_server.chat.deadline import AttemptLimits, Clock
from llmsvc_server.chat.events import ChatEvents
from llmsvc_server.chat.request import ChatRequest, Delivery
from llmsvc_server.chat.route import ProviderInfo
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.base import ChatProvider
from llmsvc_server.watchdog import TimedWait, Watchdog

LEAST_GAP_S = 1.0
"""No gap that a live model may leave is called a stall before, whoever waits for the time."""

ORPHANED_S = 1.0
"""How long a call may stay silent once another one was told that the engine has died."""


class Timed:
    """Ends an attempt whose upstream stays silent. Only time spent waiting for it counts."""

    def __init__(self, inner: ChatProvider, *, idle_s: float) -> None:
        """Limit the gaps of `inner` to `idle_s` seconds, and its first content as an attempt says."""
        self._inner = inner
        self._idle_s = idle_s
        self._watchdog = Watchdog()
        self._running: dict[str, set[_Silence]] = {}

    @property
    def info(self) -> ProviderInfo:
        """The limited provider."""
        return self._inner.info

    async def stream_chat(self, request: ChatRequest, limits: AttemptLimits) -> ChatEvents:
        """Pass the answer on as long as it comes in time.

        Raises:
            ProviderError: SILENT. No content in time, or a gap that was too long.
            ProviderError: TRANSIENT. Another call was told so, and this one heard nothing more.
            ProviderError: As the limited provider.
        """
        # A whole answer may still be given by somebody else, as long as that one has the time.
        leaves_time = limits.fallback_follows and request.delivery is Delivery.WHOLE
        first_token_s = limits.first_token_by.remaining_s()
        if limits.first_token_by.at_s >= limits.finish_by.at_s:
            first_token_s = math.inf  # the caller's time ends first, and the door sees to that
        silence = self._begun(request.model)
        begun = False
        gap_s = self._idle_s
        async with aclosing(self._inner.stream_chat(request, limits)) as events:
            try:
                silence.limit(first_token_s)
                # The consumer is cancelled outside of this loop: what arrives here at a wait is
                # either a cancel of the whole call, or ours.
                async for event in events:
                    silence.end()
                    silence.is_orphan = False
                    begun = True
                    yield event
                    gap_s = self._gap_s(limits) if leaves_time else self._idle_s
                    silence.limit(gap_s)
            except ProviderError as error:
                if error.engine_died:
                    for sibling in self._running[request.model] - {silence}:
                        sibling.orphan()
                raise
            except asyncio.CancelledError:
                if not silence.broke():
                    raise
                raise _stalled(silence, begun=begun, is_short=gap_s < self._idle_s) from None
            finally:
                self._over(silence)

    def _begun(self, model: str) -> "_Silence":
        silence = _Silence(self._watchdog, model)
        self._watchdog.add(silence)
        self._running.setdefault(model, set()).add(silence)
        return silence

    def _over(self, silence: "_Silence") -> None:
        silence.end()
        self._watchdog.discard(silence)
        siblings = self._running[silence.model]
        siblings.discard(silence)
        if not siblings:
            del self._running[silence.model]

    def _gap_s(self, limits: AttemptLimits) -> float:
        return min(self._idle_s, max(LEAST_GAP_S, limits.latest_first.remaining_s()))


def _stalled(silence: "_Silence", *, begun: bool, is_short: bool) -> ProviderError:
    if silence.is_orphan:
        return ProviderError(
            ErrorKind.TRANSIENT,
            engine_died=True,
            phase="stream" if begun else "first_token",
            is_cut_short=True,  # the one that was told counts
        )
    if not begun:
        return ProviderError(ErrorKind.SILENT, row="C05", phase="first_token")
    return ProviderError(ErrorKind.SILENT, row="C06", phase="idle", is_cut_short=is_short)


class _Silence(TimedWait):
    """The running wait of one stream."""

    __slots__ = ("clock", "is_orphan", "model")

    def __init__(self, watchdog: Watchdog, model: str) -> None:
        super().__init__(watchdog)
        self.clock: Clock = asyncio.get_running_loop().time
        self.model = model
        self.is_orphan = False

    def limit(self, limit_s: float) -> None:
        self.begin_until(self.clock() + limit_s)

    def orphan(self) -> None:
        """Give it a moment only: its engine has died."""
        if self.waits and self.due_s > self.clock() + ORPHANED_S:
            self.is_orphan = True
            self.limit(ORPHANED_S)
