"""One circuit breaker: whether calls may pass, judged by how the last ones ended.

A state machine on an injected clock, without timers: time is looked at whenever somebody asks.
Numbers and their reasons: docs/failover.md 5.
"""

from collections import deque
from dataclasses import dataclass

from typing_extensions import override

from llmsvc_server.catalog.facts import EndpointFacts
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import BreakerState, Transition
from llmsvc_server.upstreams.settings import Surroundings

STREAK = 3
WINDOW_S = 30.0
BUCKETS = 10
BUCKET_S = WINDOW_S / BUCKETS
MIN_VERDICTS = 10
SHARE = 0.5
OPEN_AFTER_FAST_S = 10.0
OPEN_AFTER_SLOW_S = 30.0
JITTER = 0.1
ALONE_EVERY_S = 1.0


@dataclass(slots=True, eq=False)
class Permit:
    """Leave for one call. Only its first verdict counts, and only in the epoch it was given in.

    Attributes:
        breaker: Who gave it.
        epoch: Of the breaker.
        serial: Of a probe, whose verdict the breaker waits for; else 0.
        has_verdict: Whether there was one.
    """

    breaker: "CircuitBreaker"
    epoch: int
    serial: int = 0
    has_verdict: bool = False


@dataclass(slots=True)
class _Bucket:
    began_s: float
    failures: int = 0
    verdicts: int = 0


class CircuitBreaker:
    """Trips after a streak of failures, or when half of enough verdicts are failures.

    Attributes:
        is_closed: Whether all calls pass.
        successes: How many it has noted so far.
    """

    def __init__(
        self,
        endpoint: str,
        model: str,
        *,
        closes_after: int,
        facts: EndpointFacts,
        around: Surroundings,
    ) -> None:
        """Start closed.

        Args:
            endpoint: Whose calls pass it, by name.
            model: Which of them; empty for those of all models.
            closes_after: Successful probes in a row that close it again.
            facts: Have the free check that a probe needs, asked when the open time is over.
            around: Open times of many replicas are spread by 10 %; every change is reported.
        """
        self._name = f"{endpoint}/{model}" if model else endpoint
        self._model = model
        self._closes_after = closes_after
        self._facts = facts
        self._clock = around.judged_by
        self._rng = around.rng
        self._reporter = around.reporter
        self._state = BreakerState.CLOSED
        self.is_closed = True
        self.successes = 0
        self._epoch = 0
        self._streak = 0
        self._bucket = _Bucket(float("-inf"))  # the one that counts now, over before it began
        self._buckets: deque[_Bucket] = deque(maxlen=BUCKETS)
        self._open_s = OPEN_AFTER_FAST_S
        self._until_s = 0.0
        self._left_closed_s = 0.0
        self._last_alone_s = float("-inf")
        self._serials = 0
        self._probe = 0
        self._probes_passed = 0

    @override
    def __repr__(self) -> str:
        """Return its state, which asking does not change."""
        streak = f", {self._streak} failed in a row" if self._streak else ""
        probing = ", probed now" if self._probe else ""
        return f"<CircuitBreaker {self._name}: {self._state}{streak}{probing}>"

    @property
    def state(self) -> BreakerState:
        """The state now. Time alone leaves OPEN, where the free check agrees."""
        if self._state is BreakerState.OPEN and self._clock() >= self._until_s:
            if self._facts.has(self._model):
                self._half_open()
            else:
                self._until_s = self._clock() + self._spread(self._open_s)
        return self._state

    def retry_after_s(self, *, only_candidate: bool) -> float:
        """Return the seconds until the next probe may be made; 0 where calls pass."""
        if self.passes(only_candidate=only_candidate):
            return 0.0
        if only_candidate or self._state is BreakerState.HALF_OPEN:
            return ALONE_EVERY_S
        return self._until_s - self._clock()

    def is_open(self, *, for_s: float) -> bool:
        """Return whether it holds calls back, and left CLOSED so many seconds ago."""
        is_open = self.state is BreakerState.OPEN
        return is_open and self._clock() - self._left_closed_s >= for_s

    def passes(self, *, only_candidate: bool) -> bool:
        """Return whether `permit` would give one now.

        Args:
            only_candidate: Whether the caller has nowhere else to go: then one call a second
                passes.
        """
        match self.state:
            case BreakerState.CLOSED:
                return True
            case BreakerState.HALF_OPEN:
                return not self._probe
            case _:  # BreakerState.OPEN
                waited_s = self._clock() - self._last_alone_s
                return only_candidate and not self._probe and waited_s >= ALONE_EVERY_S

    def permit(self) -> Permit:
        """Return leave for one call; ask only where `passes` says that there is one."""
        if self.is_closed:
            return Permit(self, self._epoch)
        if self._state is BreakerState.OPEN:
            self.pass_alone()
        self._serials += 1
        self._probe = self._serials
        return Permit(self, self._epoch, self._probe)

    def pass_alone(self) -> None:
        """Note that something is tried while OPEN: the next second has begun."""
        self._last_alone_s = self._clock()

    def try_now(self) -> None:
        """End the open time: the upstream was seen to be back."""
        if self._state is BreakerState.OPEN:
            self._half_open()

    def take_content(self, permit: Permit) -> None:
        """Note a probe's first content: enough to close, so that it always ends within its limit."""
        if not self._judges_by(permit):
            return
        self._probe = 0
        self._probes_passed += 1
        if self._probes_passed >= self._closes_after:
            self._turn(BreakerState.CLOSED)
        elif self._state is BreakerState.OPEN:
            self._half_open()

    def take_success(self, permit: Permit) -> None:
        """Note the end of a call that went well."""
        if permit.has_verdict:
            return
        permit.has_verdict = True
        if permit.serial:
            self.take_content(permit)
        elif permit.epoch == self._epoch:
            self._streak = 0
            self.successes += 1
            if self._clock() - self._bucket.began_s >= BUCKET_S:
                self._begin_bucket()
            self._bucket.verdicts += 1

    def take_failure(self, permit: Permit, kind: ErrorKind, *, is_stale: bool = False) -> bool:
        """Note a failure that counts; return whether the breaker opens by it.

        Args:
            permit: Of the call.
            kind: Its class. After one that took its time to show it stays open longer.
            is_stale: Whether a success was noted since it happened: it is part of no streak then.
        """
        if permit.has_verdict:
            return False
        permit.has_verdict = True
        if not self._judges_by(permit):
            return False
        if not permit.serial:
            self._streak += not is_stale
            if self._clock() - self._bucket.began_s >= BUCKET_S:
                self._begin_bucket()
            self._bucket.verdicts += 1
            self._bucket.failures += 1
            if self._streak < STREAK and not self._mostly_fails():
                return False
            self._left_closed_s = self._clock()
        self._open_s = OPEN_AFTER_SLOW_S if kind.rules.is_slow else OPEN_AFTER_FAST_S
        self._until_s = self._clock() + self._spread(self._open_s)
        return self._turn(BreakerState.OPEN, kind.value)

    def take_release(self, permit: Permit) -> None:
        """Note that a probe has no verdict: the next call may be one."""
        if self._judges_by(permit):
            self._probe = 0

    def _judges_by(self, permit: Permit) -> bool:
        """Return whether a permit is of this epoch, and no probe's that has ended."""
        return permit.epoch == self._epoch and permit.serial == self._probe

    def _begin_bucket(self) -> None:
        self._bucket = _Bucket(self._clock())
        self._buckets.append(self._bucket)

    def _mostly_fails(self) -> bool:
        oldest_s = self._clock() - WINDOW_S
        recent = [bucket for bucket in self._buckets if bucket.began_s > oldest_s]
        verdicts = sum(bucket.verdicts for bucket in recent)
        failures = sum(bucket.failures for bucket in recent)
        return verdicts >= MIN_VERDICTS and failures >= SHARE * verdicts

    def _spread(self, length_s: float) -> float:
        return length_s * self._rng.uniform(1 - JITTER, 1 + JITTER)

    def _half_open(self) -> None:
        """Let probes pass. One that runs already, as an only candidate's does, stays the only one."""
        self._state = BreakerState.HALF_OPEN
        self._report(BreakerState.HALF_OPEN)

    def _turn(self, state: BreakerState, cause: str = "") -> bool:
        """Begin a new epoch, in which nothing of the old one counts; return whether it differs."""
        before, self._state = self._state, state
        self.is_closed = state is BreakerState.CLOSED
        self._epoch += 1
        self._probe = self._probes_passed = self._streak = 0
        self._bucket = _Bucket(float("-inf"))
        self._buckets.clear()
        if state is before:
            return False
        self._report(state, cause)
        return True

    def _report(self, state: BreakerState, cause: str = "") -> None:
        self._reporter.changed(Transition(name=self._name, state=state, detail=cause))
