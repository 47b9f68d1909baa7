"""A breaker on a clock that stands still, and shorthands for what happens to it."""

import random

from llmsvc_server.reports import BreakerState as State
from llmsvc_server.routing.breaker import STREAK, CircuitBreaker, Permit
from tests.fakes.chances import STEADY
from tests.fakes.manual_clock import ManualClock


class Bench:
    """One breaker with all that it asks and tells.

    Attributes:
        clock: Its clock.
        may_try: What its free check says.
        told: Its changes of state with their causes, in order.
        breaker: The breaker.
    """

    def __init__(self, *, closes_after: int = 1, chance: random.Random = STEADY) -> None:
        """Be closed."""
        self.clock = ManualClock()
        self.may_try = True
        self.told: list[tuple[State, str]] = []
        self.breaker = CircuitBreaker(
            closes_after=closes_after,
            clock=self.clock,
            chance=chance,
            may_try=lambda: self.may_try,
            changed=lambda state, cause: self.told.append((state, cause)),
        )

    def permit(self, *, only_candidate: bool = False) -> Permit:
        """Return a permit that there must be."""
        permit = self.breaker.permit(only_candidate=only_candidate)
        assert permit is not None
        return permit

    def fail(self, times: int = 1, *, slow: bool = False, cause: str = "") -> None:
        """Let so many calls fail, one after another."""
        for _ in range(times):
            self.permit().failed(slow=slow, cause=cause)

    def succeed(self, times: int = 1) -> None:
        """Let so many calls end well, one after another."""
        for _ in range(times):
            self.permit().succeeded()

    def trip(self, *, slow: bool = False) -> None:
        """Open it."""
        self.fail(STREAK, slow=slow)
        assert self.breaker.state is State.OPEN

    def half_open(self) -> None:
        """Open it, and let the open time pass."""
        self.trip()
        self.clock.advance(10)
        assert self.breaker.state is State.HALF_OPEN
