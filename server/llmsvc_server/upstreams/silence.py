"""How long one attempt may hear nothing: of first content, then between two signs of life.

When a model's engine dies, Ollama 0.10.1 tells one of its calls; the others hear nothing more, and
keep a new engine from starting until they leave. So they are given a moment, and then end too.
"""

import math
from enum import Enum, auto

from typing_extensions import override

from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.request import Delivery
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.watchdog import TimedWait, Watchdog

MIN_GAP_S = 1.0
"""No gap that a live model may leave is called a stall before, whoever waits for the time."""

ORPHANED_S = 1.0
"""How long a call may stay silent once another one was told that the engine has died."""


class Cause(Enum):
    """Why a wait is ended."""

    SILENT = auto()
    ORPHANED = auto()
    WEDGED = auto()


class Silence(TimedWait):
    """The wait of one attempt for its upstream. Only time spent waiting for it counts.

    Attributes:
        has_heard: Whether there was a sign of life.
    """

    __slots__ = ("_cause", "_clock", "_gap_s", "_idle_s", "_limits", "_makes_room", "has_heard")

    def __init__(
        self, watchdog: Watchdog, limits: AttemptLimits, delivery: Delivery, *, idle_s: float
    ) -> None:
        """Begin the wait of the running task for the first sign of life.

        Args:
            watchdog: Ends it.
            limits: Say how long the first content may take.
            delivery: A whole answer may still be given by somebody else who has the time.
            idle_s: Longest gap, in seconds.
        """
        super().__init__(watchdog)
        self._clock = watchdog.loop.time
        self._limits = limits
        self._idle_s = self._gap_s = idle_s
        self._makes_room = limits.fallback_follows and delivery is Delivery.WHOLE
        self._cause = Cause.SILENT
        self.has_heard = False
        # Else the caller's time ends first, and the door sees to that.
        first_s = math.inf
        if limits.first_token_by.at_s < limits.finish_by.at_s:
            first_s = limits.first_token_by.remaining_s()
        self.begin_until(self._clock() + first_s)

    @override
    def __repr__(self) -> str:
        """Return whether it waits, and what for."""
        what = "the next sign of life" if self.has_heard else "the first"
        return f"<Silence: {'waits' if self.waits else 'no wait'} for {what}>"

    def await_next(self) -> None:
        """Begin the wait for the next sign of life."""
        self.waits = self.has_heard = True
        self._cause = Cause.SILENT
        if self._makes_room:
            left_s = self._limits.latest_first.remaining_s()
            self._gap_s = min(self._idle_s, max(MIN_GAP_S, left_s))
        # As `begin_until`, in one step: it is asked for every token.
        self.due_s = due_s = self._clock() + self._gap_s
        if due_s < self._watchdog.armed_s:
            self._watchdog.look_at(due_s)

    def orphan(self) -> None:
        """Give it a moment only: its engine has died."""
        due_s = self._clock() + ORPHANED_S
        if self.waits and self.due_s > due_s:
            self._cause = Cause.ORPHANED
            self.begin_until(due_s)

    def break_off(self) -> bool:
        """End a wait for a first sign of life, since the model is wedged; return if there was one."""
        if self.has_heard or not self.interrupt():
            return False
        self._cause = Cause.WEDGED
        return True

    def failure(self, endpoint: str) -> ProviderError:
        """Return what it means that the wait was ended."""
        match self._cause:
            case Cause.WEDGED:
                return ProviderError(ErrorKind.OPEN, endpoint=endpoint)
            case Cause.ORPHANED:
                return ProviderError(
                    ErrorKind.TRANSIENT,
                    engine_died=True,
                    phase="stream" if self.has_heard else "first_token",
                    is_cut_short=True,  # the one that was told counts
                )
            case Cause.SILENT if self.has_heard:
                is_short = self._gap_s < self._idle_s
                return ProviderError(
                    ErrorKind.SILENT, row="C06", phase="idle", is_cut_short=is_short
                )
            case _:  # Cause.SILENT
                return ProviderError(ErrorKind.SILENT, row="C05", phase="first_token")
