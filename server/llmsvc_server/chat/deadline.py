"""Time as a point, not a length."""

from collections.abc import Callable
from typing import Protocol

from llmsvc_server.chat.value import value

Clock = Callable[[], float]
"""Returns seconds on a monotonic clock: the one that the event loop counts by, or a test's."""


@value
class Deadline:
    """A point on `clock`, in seconds. It only ever gets earlier."""

    at_s: float
    clock: Clock

    def remaining_s(self) -> float:
        """Return the seconds left, never negative."""
        return max(0.0, self.at_s - self.clock())

    def capped(self, length_s: float) -> "Deadline":
        """Return the earlier of this point and `length_s` seconds from now."""
        return Deadline(at_s=min(self.at_s, self.clock() + length_s), clock=self.clock)

    def earlier(self, length_s: float) -> "Deadline":
        """Return the point `length_s` seconds before this one."""
        return Deadline(at_s=self.at_s - length_s, clock=self.clock)


class Turn(Protocol):
    """A request's turn at an upstream, for which others wait."""

    def over(self) -> None:
        """End it: the upstream has no more work with the request. A second time does nothing."""
        ...


@value
class AttemptLimits:
    """The time that one attempt has, and what may still follow it.

    Attributes:
        finish_by: When the answer must be complete: the caller's deadline less the reserve for
            its status. Never extended.
        first_token_by: When this attempt's first content is due. Computed again after a wait in a
            queue.
        latest_first: The latest that `first_token_by` may become: later candidates need the rest.
        fallback_follows: Whether another candidate can still be asked after this one; who has
            nowhere else to go waits longer in a queue.
        is_full_length: Whether `first_token_by` grants all that the provider is given; silence
            says nothing of a provider that was cut short.
        may_repeat: Whether one request more than this attempt's own may be sent.
        only_candidate: Whether the request has this candidate only, so that a breaker helps nobody.
        turn: What ends before the answer is passed on, once all of it has come; None where nobody
            waits for it.
    """

    finish_by: Deadline
    first_token_by: Deadline
    latest_first: Deadline
    fallback_follows: bool
    is_full_length: bool = True
    may_repeat: bool = True
    only_candidate: bool = False
    turn: Turn | None = None

    def during(self, turn: Turn) -> "AttemptLimits":
        """Return the same limits for an attempt whose turn has come."""
        return AttemptLimits(
            finish_by=self.finish_by,
            first_token_by=self.first_token_by,
            latest_first=self.latest_first,
            fallback_follows=self.fallback_follows,
            is_full_length=self.is_full_length,
            may_repeat=self.may_repeat,
            only_candidate=self.only_candidate,
            turn=turn,
        )
