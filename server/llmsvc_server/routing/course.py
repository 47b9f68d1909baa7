"""One request's way through its plan: what is asked next, and which failure is told."""

from collections.abc import Sequence

from llmsvc_server.chat.deadline import Budget, Deadline
from llmsvc_server.chat.value import value
from llmsvc_server.errors import AllProvidersFailed, ErrorKind, LlmsvcError, ProviderError
from llmsvc_server.routing.plan import Candidate, Plan
from llmsvc_server.routing.policy import POLICY, Next


@value
class Step:
    """One attempt to make."""

    candidate: Candidate
    budget: Budget


class Course:
    """Hands out one attempt after another, and settles what the caller is told in the end."""

    def __init__(self, plan: Plan, finish_by: Deadline) -> None:
        """Start before the plan's first candidate."""
        self._candidates = plan.candidates
        self._unusable = plan.unusable
        self._finish_by = finish_by
        self._position = 0
        self._failures: list[ProviderError] = []
        self._ended = False

    def next(self) -> Step | None:
        """Return the next attempt; None when there is none left to make."""
        if self._ended or self._position == len(self._candidates):
            return None
        candidate = self._candidates[self._position]
        self._position += 1
        return Step(
            candidate=candidate,
            budget=candidate.patience.budget(
                candidate.model,
                self._finish_by,
                fallback_follows=self._position < len(self._candidates),
            ),
        )

    def failed(self, error: ProviderError) -> None:
        """Note that the latest attempt failed before anything was delivered."""
        seen = [failure.kind for failure in self._failures]
        self._failures.append(error)
        match POLICY[error.kind].next:
            case Next.ALWAYS:
                pass
            case Next.NEVER:
                self._ended = True
            case Next.UNLESS_FIRST:
                self._ended = not seen
            case _:  # Next.ONCE
                self._ended = error.kind in seen

    def failure(self) -> LlmsvcError:
        """Return what the caller is told, after `next` returned None.

        A failure that ends the chain is told itself, and so is the only one, or one for which
        all were skipped. Otherwise the first failure that may pass with time decides, else the first: the
        operator repairs the primary, and the caller must learn whether waiting helps
        (failover.md 2.4). A candidate that merely lacks the model says nothing while others do.
        """
        failures = self._told()
        if self._ended and POLICY[failures[-1].kind].next is not Next.ONCE:
            return failures[-1]
        called = any(failure.called for failure in failures)
        if len(failures) == 1 or (not called and len({failure.kind for failure in failures}) == 1):
            return failures[0]
        deciding = next((failure for failure in failures if _may_pass(failure)), failures[0])
        waits = [wait_s for failure in failures if (wait_s := retry_after_s(failure)) is not None]
        return AllProvidersFailed(
            deciding,
            retry_after_s=min(waits, default=None),
            called=called,
        )

    def _told(self) -> Sequence[ProviderError]:
        failures = [*self._unusable, *self._failures]
        told = [
            failure
            for failure in failures
            if failure.called or failure.kind is not ErrorKind.MODEL_MISSING
        ]
        return told or failures


def retry_after_s(error: ProviderError) -> float | None:
    """Return when asking again may help, in seconds; None where waiting does not."""
    advice = POLICY[error.kind].retry_after_s
    if advice is None or error.retry_after_s is None:
        return advice
    return error.retry_after_s


def _may_pass(error: ProviderError) -> bool:
    return POLICY[error.kind].retry_after_s is not None
