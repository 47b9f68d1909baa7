"""One circuit breaker: whether calls may pass, judged by how the last ones ended.

A state machine on an injected clock, without timers: time is looked at whenever somebody asks.
Numbers and their reasons: docs/failover.md 5.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from llmsvc_server.chat.deadline import Clock
from llmsvc_server.reports import BreakerState

STREAK = 3
WINDOW_S = 30.0
BUCKETS = 10
BUCKET_S = WINDOW_S / BUCKETS
LEAST_VERDICTS = 10
SHARE = 0.5
OPEN_AFTER_FAST_S = 10.0
OPEN_AFTER_SLOW_S = 30.0
JITTER = 0.1
SOLE_EVERY_S = 1.0


class Permit:
    """Leave for one call. Only its first verdict counts, and only in the epoch it was given in."""

    __slots__ = ("_breaker", "_epoch", "_has_verdict", "_serial")

    def __init__(self, breaker: "CircuitBreaker", epoch: int, serial: int) -> None:
        """Belong to one epoch of `breaker`; `serial` is 0 where it is no trial."""
        self._breaker = breaker
        self._epoch = epoch
        self._serial = serial
        self._has_verdict = False

    @property
    def is_trial(self) -> bool:
        """Whether the breaker waits for this call's verdict."""
        return self._serial != 0

    def has_content(self) -> None:
        """Note first content: enough to close, so that a trial always ends within its limit."""
        self._breaker.note_content(self._epoch, self._serial)

    def succeeded(self) -> None:
        """Note the terminal marker."""
        if not self._has_verdict:
            self._has_verdict = True
            self._breaker.note_success(self._epoch, self._serial)

    @property
    def successes(self) -> int:
        """How many successes the breaker has noted so far."""
        return self._breaker.successes

    def failed(self, *, slow: bool, cause: str = "", is_stale: bool = False) -> None:
        """Note a failure that counts.

        Args:
            slow: Whether it took its time to show: the breaker then stays open longer.
            cause: What failed, for who is told that the breaker opened.
            is_stale: Whether a success was noted since it happened: it is part of no streak then.
        """
        if not self._has_verdict:
            self._has_verdict = True
            self._breaker.note_failure(
                self._epoch, self._serial, slow=slow, cause=cause, is_stale=is_stale
            )

    def released(self) -> None:
        """Note that there is no verdict: the trial is free for the next call."""
        self._breaker.note_release(self._epoch, self._serial)


@dataclass(slots=True)
class _Bucket:
    began_s: float
    failures: int = 0
    verdicts: int = 0


class CircuitBreaker:
    """Trips after a streak of failures, or when half of enough verdicts are failures."""

    def __init__(
        self,
        *,
        closes_after: int,
        clock: Clock,
        chance: random.Random,
        may_try: Callable[[], bool],
        changed: Callable[[BreakerState, str], None],
    ) -> None:
        """Start closed.

        Args:
            closes_after: Successful trials in a row that close it again.
            clock: Monotonic seconds.
            chance: Spreads the open times of many replicas by 10 %.
            may_try: The free check that a trial needs, asked when the open time is over.
            changed: Told of every change of state, with the cause where it opens.
        """
        self._closes_after = closes_after
        self._clock = clock
        self._chance = chance
        self._may_try = may_try
        self._changed = changed
        self._state = BreakerState.CLOSED
        self._epoch = 0
        self.successes = 0
        self._streak = 0
        self._buckets: deque[_Bucket] = deque(maxlen=BUCKETS)
        self._open_s = OPEN_AFTER_FAST_S
        self._until_s = 0.0
        self._left_closed_s = 0.0
        self._last_sole_s = float("-inf")
        self._trials = 0
        self._trial = 0
        self._trials_passed = 0

    @property
    def state(self) -> BreakerState:
        """The state now. Time alone leaves OPEN, where the free check agrees."""
        if self._state is BreakerState.OPEN and self._clock() >= self._until_s:
            if self._may_try():
                self._half_open()
            else:
                self._until_s = self._clock() + self._spread(self._open_s)
        return self._state

    @property
    def on_trial(self) -> bool:
        """Whether a trial runs now."""
        return self._trial != 0

    def retry_after_s(self, *, only_candidate: bool) -> float:
        """Return the seconds until the next trial may be made; 0 where calls pass."""
        if self.passes(only_candidate=only_candidate):
            return 0.0
        if only_candidate or self._state is BreakerState.HALF_OPEN:
            return SOLE_EVERY_S
        return self._until_s - self._clock()

    def open_for_s(self) -> float:
        """Return how long ago it left CLOSED, in seconds; 0 where it is closed."""
        return 0.0 if self.state is BreakerState.CLOSED else self._clock() - self._left_closed_s

    def passes(self, *, only_candidate: bool) -> bool:
        """Return whether `permit` would give one now.

        Args:
            only_candidate: Whether the caller has nowhere else to go: then one call a second passes.
        """
        if self._state is BreakerState.CLOSED:
            return True
        match self.state:
            case BreakerState.HALF_OPEN:
                return not self.on_trial
            case _:  # BreakerState.OPEN
                waited_s = self._clock() - self._last_sole_s
                return only_candidate and not self.on_trial and waited_s >= SOLE_EVERY_S

    def permit(self, *, only_candidate: bool) -> Permit | None:
        """Return leave for one call; None where `passes` says no."""
        if not self.passes(only_candidate=only_candidate):
            return None
        if self._state is BreakerState.CLOSED:
            return Permit(self, self._epoch, 0)
        if self._state is BreakerState.OPEN:
            self._last_sole_s = self._clock()
        self._trials += 1
        self._trial = self._trials
        return Permit(self, self._epoch, self._trial)

    def passed_alone(self) -> None:
        """Note that something was tried while OPEN without a permit: the next second has begun."""
        self._last_sole_s = self._clock()

    def try_now(self) -> None:
        """End the open time: the upstream was seen to be back."""
        if self._state is BreakerState.OPEN:
            self._half_open()

    def note_content(self, epoch: int, serial: int) -> None:
        """Take first content of a trial; `Permit` calls this."""
        if epoch != self._epoch or not serial or serial != self._trial:
            return
        self._trial = 0
        self._trials_passed += 1
        if self._trials_passed >= self._closes_after:
            self._turn(BreakerState.CLOSED)
        elif self._state is BreakerState.OPEN:
            self._half_open()

    def note_success(self, epoch: int, serial: int) -> None:
        """Take the end of a call that went well; `Permit` calls this."""
        if serial:
            self.note_content(epoch, serial)
        elif epoch == self._epoch:
            self._streak = 0
            self.successes += 1
            self._count(failed=False)

    def note_failure(
        self, epoch: int, serial: int, *, slow: bool, cause: str, is_stale: bool
    ) -> None:
        """Take the failure of a call; `Permit` calls this."""
        if epoch != self._epoch or serial != self._trial:
            return
        if not serial:
            self._streak += not is_stale
            self._count(failed=True)
            if self._streak < STREAK and not self._mostly_fails():
                return
            self._left_closed_s = self._clock()
        self._open_s = OPEN_AFTER_SLOW_S if slow else OPEN_AFTER_FAST_S
        self._until_s = self._clock() + self._spread(self._open_s)
        self._turn(BreakerState.OPEN, cause)

    def note_release(self, epoch: int, serial: int) -> None:
        """Free a trial without a verdict; `Permit` calls this."""
        if epoch == self._epoch and serial and serial == self._trial:
            self._trial = 0

    def _count(self, *, failed: bool) -> None:
        now_s = self._clock()
        if not self._buckets or now_s - self._buckets[-1].began_s >= BUCKET_S:
            self._buckets.append(_Bucket(now_s))
        self._buckets[-1].verdicts += 1
        self._buckets[-1].failures += failed

    def _mostly_fails(self) -> bool:
        oldest_s = self._clock() - WINDOW_S
        recent = [bucket for bucket in self._buckets if bucket.began_s > oldest_s]
        verdicts = sum(bucket.verdicts for bucket in recent)
        failures = sum(bucket.failures for bucket in recent)
        return verdicts >= LEAST_VERDICTS and failures >= SHARE * verdicts

    def _spread(self, length_s: float) -> float:
        return length_s * self._chance.uniform(1 - JITTER, 1 + JITTER)

    def _half_open(self) -> None:
        """Let trials pass. One that runs already, as that of an only candidate does, stays the only one."""
        self._state = BreakerState.HALF_OPEN
        self._changed(BreakerState.HALF_OPEN, "")

    def _turn(self, state: BreakerState, cause: str = "") -> None:
        """Begin a new epoch, in which nothing of the old one counts."""
        before, self._state = self._state, state
        self._epoch += 1
        self._trial = self._trials_passed = self._streak = 0
        self._buckets.clear()
        if state is not before:
            self._changed(state, cause)
