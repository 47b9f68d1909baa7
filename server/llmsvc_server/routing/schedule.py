"""One request's way through its plan: what is asked next, after which pause, with how much time.

Pure but for the clock and the spread of pauses: of an upstream it asks only whether it refuses, and
its timeouts. Rules: docs/failover.md 4. Which failure is told in the end: outcome.py.
"""

import random
from collections.abc import Sequence
from dataclasses import replace

from typing_extensions import override

from llmsvc_server.chat.deadline import AttemptLimits, Deadline
from llmsvc_server.chat.features import UnsupportedAction
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import ProviderInfo
from llmsvc_server.chat.usage import estimated_tokens
from llmsvc_server.chat.value import value
from llmsvc_server.errors import AllProvidersFailed, ProviderError
from llmsvc_server.failures import ErrorKind, Next, Retry
from llmsvc_server.routing.fit import lacking, needs_of
from llmsvc_server.routing.outcome import choose_failure, counts
from llmsvc_server.routing.plan import Entry, Plan
from llmsvc_server.routing.targets import Candidate

MAX_REQUESTS = 4
"""Generation requests at all upstreams together, for one call."""

FAST_S = 2.0
"""A failure that took longer is not repeated at the same candidate."""

JITTER_S = 0.5
STAY_S = 3.0
"""A told wait that is worth staying for, although others could answer."""

ONLY_CANDIDATE_WAIT_S = 10.0
"""The same where nobody else could."""


@value
class Step:
    """One attempt to make, after a pause of `pause_s` seconds."""

    candidate: Candidate
    limits: AttemptLimits
    pause_s: float
    is_retry: bool


class Schedule:
    """Hands out one attempt after another, and remembers how they failed."""

    def __init__(
        self,
        plan: Plan,
        request: ChatRequest,
        finish_by: Deadline,
        *,
        remote_when_busy: bool,
        rng: random.Random,
    ) -> None:
        """Start before the plan's first target.

        Args:
            plan: The targets.
            request: What is asked of them.
            finish_by: When upstream work must end.
            remote_when_busy: Whether remote candidates may help where local ones are merely busy.
            rng: Spreads pauses.
        """
        self._plan = plan
        self._entries = plan.entries
        self._finish_by = finish_by
        self._remote_when_busy = remote_when_busy
        self._rng = rng
        self._prompt_tokens = estimated_tokens(request.text_length)
        self._request = request
        self._only_candidate = len(plan.candidates) == 1
        self._position = 0
        self._requests = 0
        self._ended = False
        self._local_only = False
        self._needs_tokens = 0  # an unknown window has no room for what was too long elsewhere
        self._failures: list[ProviderError] = []

    @override
    def __repr__(self) -> str:
        """Return how far it has come; nothing of the request."""
        entries, requests = len(self._entries), self._requests
        ended = ", ended" if self._ended else ""
        return f"<Schedule: {self._position} of {entries} looked at, {requests} requests{ended}>"

    def next(self) -> Step | ProviderError | None:
        """Return the next target's attempt, or why it is skipped; None when there is no more."""
        while not self._ended and self._position < len(self._entries):
            entry = self._entries[self._position]
            self._position += 1
            step = entry if isinstance(entry, ProviderError) else self._consider(entry)
            if isinstance(step, ProviderError):
                self._failures.append(step)
            if step is not None:
                return step
        return None

    def fail(self, step: Step, error: ProviderError, *, ran_s: float) -> Step | None:
        """Note that an attempt failed before anything was delivered.

        Args:
            step: The attempt.
            error: How it failed.
            ran_s: How long it ran, without waits for a place or a load.

        Returns:
            The same candidate's second attempt, with what it was found to lack; None if it has none.
        """
        seen = [failure.kind for failure in self._failures if counts(failure)]
        self._failures.append(error)
        self._requests += error.requests
        busy = error.kind.rules.is_busy and step.candidate.is_local
        self._local_only |= busy and not self._remote_when_busy
        match error.kind.rules.next:
            case Next.NEVER:
                self._ended = True
            case Next.UNLESS_FIRST:
                self._ended = not seen
            case Next.ONCE:
                self._ended = any(kind.rules.next is Next.ONCE for kind in seen)
            case Next.OTHER_KIND:
                self._entries = [_barred(one, step.candidate.info) for one in self._entries]
            case Next.IF_IT_FITS:
                self._needs_tokens = max(
                    self._needs_tokens,
                    error.input_tokens or self._prompt_tokens,
                    (error.context_length or 0) + 1,
                )
            case _:  # Next.ALWAYS
                pass
        if self._ended or step.is_retry or ran_s > FAST_S:
            return None
        if error.kind is ErrorKind.CAPABILITY:
            return self._do_without(step.candidate, error)
        return self._retry(step.candidate, error)

    def failure(self) -> ProviderError | AllProvidersFailed:
        """Return what the caller is told, after `next` returned None."""
        return choose_failure(
            self._failures,
            is_cut=self._plan.is_cut,
            names_target=self._plan.names_target,
            is_ended=self._ended,
        )

    def _consider(self, candidate: Candidate) -> Step | ProviderError | None:
        """Return the attempt at a candidate, or why none is made; None says nothing of it."""
        if self._requests >= MAX_REQUESTS or (self._local_only and not candidate.is_local):
            return None
        refusal: ProviderError | None
        if self._finish_by.remaining_s() <= 0:
            refusal = ProviderError(ErrorKind.NO_TIME, called=False)
        elif self._needs_tokens > (candidate.window_tokens or 0):
            refusal = ProviderError(
                ErrorKind.CONTEXT, called=False, context_length=candidate.window_tokens
            )
        else:
            only = self._only_candidate
            refusal = candidate.upstream.refusal(candidate.model, only_candidate=only)
        later = self._later() if self._position < len(self._entries) else ()
        if refusal is None:
            step = self._make_step(candidate, later)
            if not later or _has_time(step):
                return step
            refusal = ProviderError(ErrorKind.NO_TIME, called=False)
        refusal = replace(refusal, provider=candidate.info, model=candidate.model)
        wait_s = refusal.retry_after_s
        if later or refusal.kind is not ErrorKind.RATE_LIMIT or wait_s is None:
            return refusal
        if not self._is_worth(wait_s, later):
            return refusal
        return self._make_step(candidate, later, pause_s=self._spread_s(wait_s))

    def _retry(self, candidate: Candidate, error: ProviderError) -> Step | None:
        """Return a candidate's second attempt, if there is the time and a request for it."""
        half_s = self._finish_by.remaining_s() / 2
        if half_s <= 0:
            return None
        later = self._later()
        if MAX_REQUESTS - self._requests <= len(later):
            return None
        pause_s = self._pause_s(
            error, candidate.upstream.refusal(candidate.model, only_candidate=False), later
        )
        if pause_s is None or pause_s > half_s:
            return None
        return self._make_step(candidate, later, pause_s=pause_s, is_retry=True)

    def _do_without(self, candidate: Candidate, error: ProviderError) -> Step | None:
        """Return an attempt without what a candidate was found to lack, if the request lets it."""
        features = self._request.features
        if features.unsupported is UnsupportedAction.FAIL:
            return None
        lacks = lacking(error.param, needs_of(self._request)) - candidate.missing
        later = self._later()
        if not lacks or MAX_REQUESTS - self._requests <= len(later):
            return None
        known = replace(candidate, missing=candidate.missing | lacks)
        return self._make_step(known, later, is_retry=True)

    def _pause_s(
        self, error: ProviderError, refusal: ProviderError | None, later: Sequence[Candidate]
    ) -> float | None:
        """Return the seconds before a second attempt; None where there is to be none.

        Args:
            error: How the first one failed.
            refusal: Why no other call may go there now, None if one may.
            later: Who could answer instead.
        """
        retry, told_s = error.kind.rules.retry, error.retry_after_s
        if retry is Retry.WHEN_TOLD:
            return self._limit_pause_s(told_s, refusal, later)
        if retry is Retry.NEVER or refusal is not None:
            return None
        if retry is not Retry.AFTER_A_PAUSE:
            return 0.0
        spread_s = self._rng.uniform(0.0, JITTER_S)
        if told_s is None:
            return spread_s
        return max(spread_s, told_s) if self._is_worth(told_s, later) else None

    def _limit_pause_s(
        self, told_s: float | None, refusal: ProviderError | None, later: Sequence[Candidate]
    ) -> float | None:
        """Return the same after a rate limit, whose own block is no reason against it."""
        if told_s is None and later:
            return None
        if refusal is not None:
            if refusal.kind is not ErrorKind.RATE_LIMIT or refusal.retry_after_s is None:
                return None
            told_s = max(told_s or 0.0, refusal.retry_after_s)
        if told_s is None or not self._is_worth(told_s, later):
            return None
        return self._spread_s(told_s)

    def _is_worth(self, wait_s: float, later: Sequence[Candidate]) -> bool:
        """Return whether a told wait is waited out here."""
        max_s = STAY_S if later else ONLY_CANDIDATE_WAIT_S
        return wait_s <= min(max_s, self._finish_by.remaining_s() / 2)

    def _spread_s(self, wait_s: float) -> float:
        """Return a bit more than a wait, but not for more than half of the time left."""
        spread_s = wait_s + self._rng.uniform(0.0, JITTER_S)
        return max(wait_s, min(spread_s, self._finish_by.remaining_s() / 2))

    def _make_step(
        self,
        candidate: Candidate,
        later: Sequence[Candidate],
        *,
        pause_s: float = 0.0,
        is_retry: bool = False,
    ) -> Step:
        whole_s = candidate.upstream.timeouts.limit_s(
            candidate.model, self._prompt_tokens, with_tools=bool(self._request.features.tools)
        )
        finish_by = self._finish_by
        latest_first = finish_by.earlier(self._needed_s(later)) if later else finish_by
        waits_for = later if self._remote_when_busy else [one for one in later if one.is_local]
        return Step(
            candidate=candidate,
            pause_s=pause_s,
            is_retry=is_retry,
            limits=AttemptLimits(
                finish_by=finish_by,
                first_token_by=latest_first.capped(pause_s + whole_s),
                latest_first=latest_first,
                fallback_follows=bool(waits_for),
                is_full_length=pause_s + whole_s <= latest_first.remaining_s(),
                may_repeat=self._requests + 1 < MAX_REQUESTS,
                only_candidate=self._only_candidate,
            ),
        )

    def _needed_s(self, later: Sequence[Candidate]) -> float:
        """Return what the later candidates need, at most half of the time left."""
        needed_s = sum(
            one.upstream.timeouts.latency.min_s(one.model, self._request.delivery) for one in later
        )
        return min(needed_s, self._finish_by.remaining_s() / 2)

    def _later(self) -> list[Candidate]:
        """Return the candidates after this one that could be asked now."""
        return [
            one
            for one in self._entries[self._position :]
            if isinstance(one, Candidate)
            and not (self._local_only and not one.is_local)
            and self._needs_tokens <= (one.window_tokens or 0)
            and one.upstream.refusal(one.model, only_candidate=False) is None
        ]


def _barred(entry: Entry, fatal: ProviderInfo) -> Entry:
    """Return an entry, or why it is not asked after a schema has ended an engine of its sort.

    Vendors get schemas as they are, local engines what is left of them: those are two sorts.
    """
    if isinstance(entry, ProviderError):
        return entry
    info = entry.info
    if (info.kind, info.locality) != (fatal.kind, fatal.locality):
        return entry
    return ProviderError(ErrorKind.FATAL_SCHEMA, called=False, provider=info, model=entry.model)


def _has_time(step: Step) -> bool:
    """Return whether later candidates leave an attempt what it needs at least to be worth making."""
    candidate, limits = step.candidate, step.limits
    floor_s = candidate.upstream.timeouts.floor_s
    return limits.is_full_length or limits.latest_first.remaining_s() >= floor_s(candidate.model)
