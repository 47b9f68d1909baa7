"""One request's way through its plan: what is asked next, and which failure is told."""

from collections.abc import Sequence

from llmsvc_server.chat.deadline import Budget, Deadline
from llmsvc_server.chat.value import value
from llmsvc_server.errors import AllProvidersFailed, ErrorKind, LlmsvcError, ProviderError
from llmsvc_server.routing.plan import Candidate, Outcome
from llmsvc_server.routing.policy import POLICY, Next, advised_wait_s


@value
class Step:
    """One attempt to make."""

    candidate: Candidate
    budget: Budget


class Course:
    """Hands out one attempt after another, and settles what the caller is told in the end."""

    def __init__(self, plan: Sequence[Outcome], finish_by: Deadline) -> None:
        """Start before the plan's first target."""
        self._plan = plan
        self._finish_by = finish_by
        self._position = 0
        self._failures: list[ProviderError] = []
        self._ended = False

    def next(self) -> Step | None:
        """Return the next attempt; None when there is none left to make."""
        while not self._ended and self._position < len(self._plan):
            outcome = self._plan[self._position]
            self._position += 1
            if isinstance(outcome, Candidate):
                return Step(candidate=outcome, budget=self._budget(outcome))
            self._failures.append(outcome)
        return None

    def failed(self, error: ProviderError) -> None:
        """Note that the latest attempt failed before anything was delivered."""
        seen = [failure.kind for failure in self._failures if _counts(failure)]
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

        A violation is told itself, and so is the only failure, or one for which all were skipped.
        Otherwise the first failure that may pass with time decides, else the first, in the
        configured order: the operator repairs the primary, and the caller must learn whether
        waiting helps (failover.md 2.4). A candidate that merely lacks the model says nothing
        while others do.
        """
        failures = [failure for failure in self._failures if _counts(failure)] or self._failures
        if failures[-1].kind is ErrorKind.VIOLATION:
            return failures[-1]
        called = any(failure.called for failure in failures)
        if len(failures) == 1 or (not called and len({failure.kind for failure in failures}) == 1):
            return failures[0]
        waits_s = [
            wait_s for failure in failures if (wait_s := advised_wait_s(failure)) is not None
        ]
        return AllProvidersFailed(
            next((failure for failure in failures if _may_pass(failure)), failures[0]),
            retry_after_s=min(waits_s, default=None),
            called=called,
        )

    def _budget(self, candidate: Candidate) -> Budget:
        return candidate.patience.budget(
            candidate.model,
            self._finish_by,
            fallback_follows=any(
                isinstance(outcome, Candidate) for outcome in self._plan[self._position :]
            ),
        )


def _counts(failure: ProviderError) -> bool:
    return failure.called or failure.kind is not ErrorKind.MODEL_MISSING


def _may_pass(failure: ProviderError) -> bool:
    return POLICY[failure.kind].retry_after_s is not None
