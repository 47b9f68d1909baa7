"""Any order of events, against a model of a breaker that is too simple to be wrong."""

import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from llmsvc_server.reports import BreakerState as State
from llmsvc_server.upstreams.breaker import STREAK, Permit
from tests.unit.server.upstreams.breakers import (
    FAST,
    SLOW,
    Bench,
    release,
    report_content,
    report_failure,
    report_success,
)

ALONE = st.booleans()


class BreakerMachine(RuleBasedStateMachine):
    """Calls begin, end and are given up, while time passes."""

    permits = Bundle("permits")

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(closes_after=2)
        self.probes: set[Permit] = set()
        self.last_alone_s = float("-inf")
        self.asked: dict[Permit, State] = {}

    @rule(target=permits, only_candidate=ALONE)
    def begin(self, only_candidate: bool) -> Permit | None:  # noqa: FBT001  Hypothesis passes by name
        state, now_s = self.bench.breaker.state, self.bench.clock()
        passes = self.bench.breaker.passes(only_candidate=only_candidate)
        permit = self.bench.permit_if_any(only_candidate=only_candidate)
        assert passes == (permit is not None)
        if state is State.CLOSED:
            assert permit is not None
        if permit is None:
            return None
        assert bool(permit.serial) == (state is not State.CLOSED)
        if permit.serial:
            assert not self.probes, "two probes at a time"
            self.probes.add(permit)
        if state is State.OPEN:
            assert only_candidate
            assert now_s - self.last_alone_s >= 1
            self.last_alone_s = now_s
        return permit

    @rule(permit=consumes(permits))
    def content(self, permit: Permit | None) -> None:
        if permit is not None:
            was, before = permit in self.probes, self.bench.breaker.state
            report_content(permit)
            self.ended(permit)
            if not was:
                assert before is self.bench.breaker.state

    @rule(permit=consumes(permits))
    def success(self, permit: Permit | None) -> None:
        if permit is not None:
            report_success(permit)
            self.ended(permit)

    @rule(permit=consumes(permits), slow=st.booleans())
    def failure(self, permit: Permit | None, slow: bool) -> None:  # noqa: FBT001  as above
        if permit is not None:
            was, before = permit in self.probes, self.bench.breaker.state
            opened = report_failure(permit, SLOW if slow else FAST)
            self.ended(permit)
            if was:
                assert State.OPEN is self.bench.breaker.state
            after = self.bench.breaker.state
            assert opened == (after is State.OPEN and before is not State.OPEN)

    @rule(permit=consumes(permits))
    def cancel(self, permit: Permit | None) -> None:
        if permit is not None:
            before = self.bench.breaker.state
            release(permit)
            self.ended(permit)
            assert before is self.bench.breaker.state

    @rule(length_s=st.sampled_from([0.3, 1.0, 4.0, 11.0, 40.0]))
    def wait(self, length_s: float) -> None:
        self.bench.clock.advance(length_s)

    @rule(may_try=st.booleans())
    def look(self, may_try: bool) -> None:  # noqa: FBT001  as above
        self.bench.look(may_try=may_try)

    @rule()
    def seen(self) -> None:
        self.bench.breaker.try_now()

    def ended(self, permit: Permit) -> None:
        self.probes.discard(permit)

    @invariant()
    def a_probe_runs_only_while_it_is_not_closed(self) -> None:
        if self.bench.breaker.state is State.CLOSED:
            self.probes.clear()
        assert self.bench.is_probed == bool(self.probes)

    @invariant()
    def time_leaves_open_where_the_check_agrees(self) -> None:
        if self.bench.breaker.state is State.OPEN:
            assert 0 < self.bench.breaker.retry_after_s(only_candidate=False) <= 30

    @invariant()
    def what_is_told_is_what_is(self) -> None:
        state = self.bench.breaker.state
        told = [State.CLOSED, *(state for state, _ in self.bench.told)]
        assert told[-1] is state
        assert all(one is not other for one, other in itertools.pairwise(told))
        assert (State.CLOSED, State.HALF_OPEN) not in set(itertools.pairwise(told))


class StreakMachine(RuleBasedStateMachine):
    """Calls one after another, never more than a few: only streaks can open it."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench()
        self.streak = 0

    @rule(outcome=st.sampled_from(["well", "badly", "cancelled"]))
    def call(self, outcome: str) -> None:
        self.bench.clock.advance(31)  # so that the window holds one verdict
        if self.bench.breaker.state is not State.CLOSED:
            self.bench.succeed()
            self.streak = 0
        permit = self.bench.permit()
        match outcome:
            case "well":
                report_success(permit)
                self.streak = 0
            case "badly":
                report_failure(permit, FAST)
                self.streak += 1
            case _:
                release(permit)

    @invariant()
    def it_is_open_after_a_streak_and_only_then(self) -> None:
        assert (self.streak >= STREAK) == (self.bench.breaker.state is State.OPEN)


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestStreak = StreakMachine.TestCase
TestStreak.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
