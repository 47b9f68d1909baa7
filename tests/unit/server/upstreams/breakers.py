"""A breaker on a clock that stands still, and shorthands for what happens to it."""

import random

from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import BreakerState as State
from llmsvc_server.upstreams.breaker import STREAK, CircuitBreaker, Permit
from tests.fakes.chances import STEADY
from tests.fakes.listening_reporter import ListeningReporter
from tests.fakes.manual_clock import ManualClock
from tests.fakes.upstreams import MODEL, FakeFacts, surroundings

FAST, SLOW = ErrorKind.TRANSIENT, ErrorKind.SILENT


def report_content(permit: Permit) -> None:
    """Let a call that has such leave have its first content."""
    permit.breaker.take_content(permit)


def report_success(permit: Permit) -> None:
    """Let it end well."""
    permit.breaker.take_success(permit)


def report_failure(permit: Permit, kind: ErrorKind, *, is_stale: bool = False) -> bool:
    """Let it fail; return whether the breaker opens by that."""
    return permit.breaker.take_failure(permit, kind, is_stale=is_stale)


def release(permit: Permit) -> None:
    """Let it end without a verdict."""
    permit.breaker.take_release(permit)


class Bench:
    """One breaker with all that it asks and tells.

    Attributes:
        clock: Its clock.
        facts: Have its free check.
        breaker: The breaker.
    """

    def __init__(self, *, closes_after: int = 1, rng: random.Random = STEADY) -> None:
        """Be closed."""
        self.clock = ManualClock()
        self.facts = FakeFacts()
        self.reporter = ListeningReporter()
        self.breaker = CircuitBreaker(
            "ollama",
            MODEL,
            closes_after=closes_after,
            facts=self.facts,
            around=surroundings(self.clock, self.reporter, rng=rng),
        )

    @property
    def told(self) -> list[tuple[State, str]]:
        """Its changes of state with their causes, in order."""
        changes = self.reporter.changes
        return [(one.state, one.detail) for one in changes if isinstance(one.state, State)]

    @property
    def is_probed(self) -> bool:
        """Whether a probe runs now."""
        return "probed now" in repr(self.breaker)

    def look(self, *, may_try: bool) -> None:
        """Say what the free check is to find."""
        self.facts.known = {MODEL} if may_try else set()

    def permit_if_any(self, *, only_candidate: bool = False) -> Permit | None:
        """Return a permit, if there is one."""
        passes = self.breaker.passes(only_candidate=only_candidate)
        return self.breaker.permit() if passes else None

    def permit(self, *, only_candidate: bool = False) -> Permit:
        """Return a permit that there must be."""
        permit = self.permit_if_any(only_candidate=only_candidate)
        assert permit is not None
        return permit

    def fail(self, times: int = 1, *, kind: ErrorKind = FAST) -> None:
        """Let so many calls fail, one after another."""
        for _ in range(times):
            report_failure(self.permit(), kind)

    def succeed(self, times: int = 1) -> None:
        """Let so many calls end well, one after another."""
        for _ in range(times):
            report_success(self.permit())

    def trip(self, *, kind: ErrorKind = FAST) -> None:
        """Open it."""
        self.fail(STREAK, kind=kind)
        assert self.breaker.state is State.OPEN

    def half_open(self) -> None:
        """Open it, and let the open time pass."""
        self.trip()
        self.clock.advance(10)
        assert self.breaker.state is State.HALF_OPEN
