"""Time as a point, not a length."""

from collections.abc import Callable
from dataclasses import dataclass

from llmsvc_server.chat.value import value

Clock = Callable[[], float]
"""Returns seconds on a monotonic clock: the event loop's, or a test's."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on `clock`, in seconds. It only ever gets earlier."""

    at_s: float
    clock: Clock

    def remaining_s(self) -> float:
        """Return the seconds left, never negative."""
        return max(0.0, self.at_s - self.clock())

    def capped(self, length_s: float) -> "Deadline":
        """Return the earlier of this point and `length_s` seconds from now."""
        return Deadline(min(self.at_s, self.clock() + length_s), self.clock)


@value
class Budget:
    """The time that one attempt has.

    Attributes:
        finish_by: When the answer must be complete: the caller's deadline less the reserve for
            its status. Never extended.
        first_token_by: When this attempt's patience for its first content ends. Computed again
            after a wait in a queue.
        fallback_follows: Whether another candidate can still be asked after this one; who has
            nowhere else to go waits longer in a queue.
    """

    finish_by: Deadline
    first_token_by: Deadline
    fallback_follows: bool
