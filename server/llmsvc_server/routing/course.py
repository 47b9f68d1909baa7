"""One request's way through its plan: what is asked next, after which pause, with how much time.

Rules: failover.md 4. Which failure is told in the end: settle.py.
"""

import random
from collections.abc import Sequence

from llmsvc_server.chat.deadline import Budget, Deadline, Verdict
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import Attempt, Locality, Route, Trail
from llmsvc_server.chat.value import value
from llmsvc_server.errors import (
    ContextTooLong,
    ErrorKind,
    LlmsvcError,
    ProviderError,
    TooLittleTime,
)
from llmsvc_server.routing.pace import estimated_tokens
from llmsvc_server.routing.plan import Candidate, Plan
from llmsvc_server.routing.policy import POLICY, Next, Retry
from llmsvc_server.routing.settle import counts, settled

MAX_REQUESTS = 4
"""Generation requests at all upstreams together, for one call."""

FAST_S = 2.0
"""A failure that took longer is not repeated at the same candidate."""

JITTER_S = 0.5
STAY_S = 3.0
"""A told wait that is worth staying for, although others could answer."""

SOLE_WAIT_S = 10.0
_BUSY = frozenset((ErrorKind.QUEUE_FULL, ErrorKind.COLD_LOAD))


@value
class Step:
    """One attempt to make, after a pause of `pause_s` seconds."""

    candidate: Candidate
    budget: Budget
    pause_s: float
    is_retry: bool


class Course:
    """Hands out one attempt after another, and keeps the record of them."""

    def __init__(
        self,
        plan: Plan,
        request: ChatRequest,
        finish_by: Deadline,
        *,
        remote_when_busy: bool,
        chance: random.Random,
    ) -> None:
        """Start before the plan's first target.

        Args:
            plan: The targets.
            request: What is asked of them.
            finish_by: When upstream work must end.
            remote_when_busy: Whether remote candidates may help where local ones are merely busy.
            chance: Spreads pauses.
        """
        self._plan = plan
        self._request = request
        self._finish_by = finish_by
        self._remote_when_busy = remote_when_busy
        self._chance = chance
        self._prompt_tokens = estimated_tokens(request.text_length)
        self._candidates = [one for one in plan.outcomes if isinstance(one, Candidate)]
        self._sole = len(self._candidates) == 1
        self._position = 0
        self._requests = 0
        self._again: Step | None = None
        self._ended = False
        self._local_only = False
        self._needs_tokens = 0
        self._failures: list[ProviderError] = []
        self._verdicts: list[Verdict] = []

    def next(self) -> Step | None:
        """Return the next attempt; None when there is none left to make."""
        if self._again is not None:
            step, self._again = self._again, None
            return step
        while not self._ended and self._position < len(self._plan.outcomes):
            if self._requests >= MAX_REQUESTS:
                return None
            outcome = self._plan.outcomes[self._position]
            self._position += 1
            way = outcome if isinstance(outcome, ProviderError) else self._step(outcome)
            if isinstance(way, Step):
                return way
            if way is not None:
                self._failures.append(way)
        return None

    def failed(self, step: Step, error: ProviderError) -> None:
        """Note that an attempt failed before anything was delivered."""
        seen = [failure.kind for failure in self._failures if counts(failure)]
        self._failures.append(error)
        self._requests += error.requests
        if error.verdict is not None:
            self._verdicts.append(error.verdict)
        if error.kind in _BUSY and not self._remote_when_busy:
            self._local_only = True
        match POLICY[error.kind].next:
            case Next.NEVER:
                self._ended = True
            case Next.UNLESS_FIRST:
                self._ended = not seen
            case Next.ONCE:
                self._ended = error.kind in seen
            case Next.IF_IT_FITS:
                self._needs_tokens = max(
                    self._needs_tokens,
                    error.input_tokens or self._prompt_tokens,
                    (error.context_length or 0) + 1,
                )
            case _:  # Next.ALWAYS
                pass
        if not self._ended:
            self._again = self._retry(step, error)

    def settle(self) -> None:
        """Let the last words on each upstream count: the call is over."""
        for verdict in self._verdicts:
            verdict.count()

    def failure(self) -> LlmsvcError:
        """Return what the caller is told, after `next` returned None."""
        error = settled(
            self._failures,
            is_cut=self._plan.is_cut,
            names_model=bool(self._request.model or self._request.routing.targets),
        )
        error.trail = self.trail()
        return error

    def trail(self) -> Trail:
        """Return what was tried so far."""
        return Trail(
            requested_model=self._request.model,
            privacy=self._plan.privacy,
            attempts=tuple(_attempt(failure) for failure in self._failures),
        )

    def route(self, step: Step, elapsed_s: float) -> Route:
        """Return who answers, `elapsed_s` seconds after it was asked."""
        info, model = step.candidate.info, step.candidate.model
        answers = Attempt(
            provider=info,
            model=model,
            code="OK",
            reason="",
            elapsed_s=elapsed_s,
            content_sent=True,
        )
        trail = self.trail()
        return Route(
            provider=info,
            model=model,
            trail=Trail(
                requested_model=trail.requested_model,
                privacy=trail.privacy,
                attempts=(*trail.attempts, answers),
            ),
        )

    def _step(self, candidate: Candidate) -> "Step | ProviderError | None":
        """Return the attempt at a candidate, or why none is made; None says nothing of it."""
        if self._local_only and candidate.info.locality is not Locality.LOCAL:
            return None
        later = self._later()
        refusal = self._skip(candidate, later)
        if refusal is None:
            return self._made(candidate, later)
        refusal.provider, refusal.model = candidate.info, candidate.model
        wait_s = refusal.retry_after_s
        if (
            refusal.kind is ErrorKind.RATE_LIMIT
            and wait_s is not None
            and not later
            and self._affords(wait_s)
        ):
            return self._made(candidate, later, pause_s=wait_s + self._spread_s())
        return refusal

    def _skip(self, candidate: Candidate, later: Sequence[Candidate]) -> ProviderError | None:
        """Return why a candidate is not worth an attempt now; None if it is."""
        window = candidate.window_tokens
        if self._needs_tokens and (window is None or window < self._needs_tokens):
            return ContextTooLong(called=False, context_length=window)
        refusal = candidate.refusal(candidate.model, sole=self._sole)
        if refusal is not None:
            return refusal
        limit_s, is_whole = self._limit_s(candidate, later)
        if later and not is_whole and limit_s < candidate.patience.floor_s(candidate.model):
            return TooLittleTime(called=False)
        return None

    def _retry(self, step: Step, error: ProviderError) -> Step | None:
        """Return the same candidate's second attempt, if it may have one."""
        candidate, later = step.candidate, self._later()
        policy = POLICY[error.kind]
        if step.is_retry or policy.retry is Retry.NEVER or error.ran_s > FAST_S:
            return None
        if MAX_REQUESTS - self._requests - 1 < len(later):
            return None
        refusal = candidate.refusal(candidate.model, sole=False)
        pause_s = 0.0
        match policy.retry:
            case Retry.WHEN_TOLD:
                told_s = error.retry_after_s if refusal is None else refusal.retry_after_s
                stays = told_s is not None and (
                    self._stays(told_s, later)
                    if error.retry_after_s is not None
                    else not later and self._affords(told_s)
                )
                if told_s is None or not stays:
                    return None
                pause_s = told_s + self._spread_s()
                refusal = None
            case Retry.AFTER_A_PAUSE:
                pause_s = max(self._spread_s(), error.retry_after_s or 0.0)
            case _:  # AT_ONCE, ELSEWHERE
                pass
        if refusal is not None or pause_s > self._finish_by.remaining_s() / 2:
            return None
        return self._made(candidate, later, pause_s=pause_s, is_retry=True, earlier=error.verdict)

    def _stays(self, wait_s: float, later: Sequence[Candidate]) -> bool:
        """Return whether a rate limit is waited out here."""
        return (wait_s <= STAY_S or not later) and self._affords(wait_s)

    def _affords(self, wait_s: float) -> bool:
        return wait_s <= min(SOLE_WAIT_S, self._finish_by.remaining_s() / 2)

    def _made(
        self,
        candidate: Candidate,
        later: Sequence[Candidate],
        *,
        pause_s: float = 0.0,
        is_retry: bool = False,
        earlier: Verdict | None = None,
    ) -> Step:
        limit_s, is_whole = self._limit_s(candidate, later)
        waits_for = later if self._remote_when_busy else [one for one in later if _is_local(one)]
        return Step(
            candidate=candidate,
            pause_s=pause_s,
            is_retry=is_retry,
            budget=Budget(
                finish_by=self._finish_by,
                first_token_by=self._finish_by.capped(pause_s + limit_s),
                latest_first=self._finish_by.earlier(self._needed_s(later)),
                fallback_follows=bool(waits_for),
                whole_patience=is_whole,
                may_repeat=self._requests + 1 < MAX_REQUESTS,
                sole=self._sole,
                earlier=earlier,
            ),
        )

    def _limit_s(self, candidate: Candidate, later: Sequence[Candidate]) -> tuple[float, bool]:
        """Return the seconds for the first content, and whether that is all it is given."""
        whole_s = candidate.patience.limit_s(candidate.model, self._prompt_tokens)
        left_s = self._finish_by.remaining_s() - self._needed_s(later)
        return min(whole_s, left_s), whole_s <= left_s

    def _needed_s(self, later: Sequence[Candidate]) -> float:
        """Return what the later candidates need, at most half of the time left."""
        delivery = self._request.delivery
        needed_s = sum(one.patience.least_s(one.model, delivery) for one in later)
        return min(needed_s, self._finish_by.remaining_s() / 2)

    def _later(self) -> list[Candidate]:
        """Return the candidates after this one that could be asked now."""
        return [
            one
            for one in self._plan.outcomes[self._position :]
            if isinstance(one, Candidate)
            and not (self._local_only and not _is_local(one))
            and one.refusal(one.model, sole=False) is None
        ]

    def _spread_s(self) -> float:
        return self._chance.uniform(0.0, JITTER_S)


def _is_local(candidate: Candidate) -> bool:
    return candidate.info.locality is Locality.LOCAL


def _attempt(error: ProviderError) -> Attempt:
    assert error.provider is not None  # noqa: S101  the plan and the router fill it in
    policy = POLICY[error.kind]
    return Attempt(
        provider=error.provider,
        model=error.model,
        code=policy.code,
        reason=policy.reason,
        elapsed_s=error.elapsed_s if error.requests else None,
        content_sent=error.called,
    )
