import random

import pytest

from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import BreakerState as State
from llmsvc_server.upstreams.breaker import MIN_VERDICTS, STREAK, Permit
from tests.unit.server.upstreams.breakers import (
    FAST,
    SLOW,
    Bench,
    release,
    report_content,
    report_failure,
    report_success,
)


def test_a_streak_of_failures_opens_it() -> None:
    bench = Bench()
    bench.fail(STREAK - 1)
    before = bench.breaker.state
    bench.fail()

    assert (State.CLOSED, State.OPEN) == (before, bench.breaker.state)
    assert [(State.OPEN, "transient")] == bench.told
    assert bench.permit_if_any(only_candidate=False) is None


def test_it_says_its_state_and_who_probes_it() -> None:
    bench = Bench()
    said = [repr(bench.breaker)]
    bench.fail(STREAK - 1)
    said.append(repr(bench.breaker))
    bench.fail()
    bench.clock.advance(10)
    bench.permit()
    said.append(repr(bench.breaker))

    assert [
        "<CircuitBreaker ollama/m: closed>",
        "<CircuitBreaker ollama/m: closed, 2 failed in a row>",
        "<CircuitBreaker ollama/m: half_open, probed now>",
    ] == said


def test_only_the_failure_that_opens_it_says_so() -> None:
    bench = Bench()

    assert [False, False, True] == [
        report_failure(permit, FAST) for permit in [bench.permit() for _ in range(STREAK)]
    ]


def test_a_success_ends_a_streak() -> None:
    bench = Bench()
    for _ in range(3):
        bench.fail(STREAK - 1)
        bench.succeed(5)

    assert State.CLOSED is bench.breaker.state


def test_a_thousand_calls_without_a_verdict_change_nothing() -> None:
    bench = Bench()
    bench.fail(STREAK - 1)
    for _ in range(1_000):
        release(bench.permit())
    still = bench.breaker.state
    bench.fail()

    assert (State.CLOSED, State.OPEN) == (still, bench.breaker.state)


def mixed(bench: Bench, verdicts: int, *, every_s: float = 0.0) -> None:
    """Let every other call fail, the first one well."""
    for number in range(verdicts):
        bench.clock.advance(every_s)
        if bench.breaker.state is not State.CLOSED:
            return
        if number % 2:
            bench.fail()
        else:
            bench.succeed()


def test_half_of_enough_verdicts_open_it() -> None:
    bench = Bench()
    mixed(bench, MIN_VERDICTS - 1)
    before = bench.breaker.state
    bench.fail()

    assert (State.CLOSED, State.OPEN) == (before, bench.breaker.state)


def test_failures_that_are_further_apart_than_the_window_do_not_add_up() -> None:
    bench = Bench()
    mixed(bench, 40, every_s=4)

    assert State.CLOSED is bench.breaker.state


def test_verdicts_of_the_whole_window_count() -> None:
    bench = Bench()
    mixed(bench, 10, every_s=2.9)

    assert State.OPEN is bench.breaker.state


def test_fewer_failures_than_half_are_lived_with() -> None:
    bench = Bench()
    for _ in range(50):
        bench.succeed(2)
        bench.fail()

    assert State.CLOSED is bench.breaker.state


def test_days_of_successes_take_no_memory() -> None:
    bench = Bench()
    for _ in range(1_000):
        bench.clock.advance(3)
        bench.succeed()

    assert len(bench.breaker._buckets) <= 10  # noqa: SLF001  memory is what is asked


@pytest.mark.parametrize(("kind", "least_s", "most_s"), [(FAST, 9, 11), (SLOW, 27, 33)])
def test_it_stays_open_by_how_slow_the_failure_was_with_a_spread(
    kind: ErrorKind, *, least_s: float, most_s: float
) -> None:
    lengths_s = []
    for seed in range(50):
        bench = Bench(rng=random.Random(seed))  # noqa: S311  a spread
        bench.trip(kind=kind)
        lengths_s.append(bench.breaker.retry_after_s(only_candidate=False))

    assert least_s <= min(lengths_s) < max(lengths_s) <= most_s
    assert max(lengths_s) - min(lengths_s) > (most_s - least_s) / 2


def test_time_alone_leaves_open() -> None:
    bench = Bench()
    bench.trip()
    bench.clock.advance(9.9)
    before = bench.breaker.state
    bench.clock.advance(0.1)

    assert (State.OPEN, State.HALF_OPEN) == (before, bench.breaker.state)
    assert [State.OPEN, State.HALF_OPEN] == [state for state, _ in bench.told]


def test_while_the_free_check_fails_it_stays_open_for_another_interval() -> None:
    bench = Bench()
    bench.trip()
    bench.look(may_try=False)
    bench.clock.advance(10)
    checked = bench.breaker.state
    bench.look(may_try=True)
    bench.clock.advance(9.9)
    before = bench.breaker.state
    bench.clock.advance(0.1)

    assert [State.OPEN, State.OPEN, State.HALF_OPEN] == [checked, before, bench.breaker.state]


def test_half_open_gives_one_permit() -> None:
    bench = Bench()
    bench.half_open()
    permits = [bench.permit_if_any(only_candidate=False) for _ in range(100)]

    assert 1 == len([permit for permit in permits if permit is not None])
    assert bench.is_probed
    assert 1 == bench.breaker.retry_after_s(only_candidate=False)


@pytest.mark.parametrize("closes_after", [1, 2])
def test_successful_probes_in_a_row_close_it(closes_after: int) -> None:
    bench = Bench(closes_after=closes_after)
    bench.half_open()
    for _ in range(closes_after):
        assert State.HALF_OPEN is bench.breaker.state
        report_content(bench.permit())

    assert State.CLOSED is bench.breaker.state
    assert 0 == bench.breaker.retry_after_s(only_candidate=False)


def test_a_probe_that_ends_without_content_closes_it_too() -> None:
    bench = Bench()
    bench.half_open()
    bench.succeed()

    assert State.CLOSED is bench.breaker.state


def test_a_failed_probe_opens_it_again_from_the_first_of_two() -> None:
    bench = Bench(closes_after=2)
    bench.half_open()
    report_content(bench.permit())
    bench.fail(kind=SLOW)
    opened = bench.breaker.state
    bench.clock.advance(30)
    report_content(bench.permit())

    assert (State.OPEN, State.HALF_OPEN) == (opened, bench.breaker.state)


def test_a_probe_without_a_verdict_frees_the_permit() -> None:
    bench = Bench()
    bench.half_open()
    release(bench.permit())
    again = bench.permit_if_any(only_candidate=False)

    assert again is not None
    assert again.serial


def test_content_is_a_probes_verdict_whatever_follows() -> None:
    bench = Bench(closes_after=2)
    bench.half_open()
    probe = bench.permit()
    report_content(probe)
    report_failure(probe, SLOW)

    assert State.HALF_OPEN is bench.breaker.state


def test_only_a_calls_first_verdict_counts() -> None:
    bench = Bench()
    permit = bench.permit()
    for _ in range(STREAK):
        report_failure(permit, FAST)
    ended = bench.permit()
    bench.fail(STREAK - 2)
    report_success(ended)
    report_success(ended)
    report_failure(ended, FAST)

    assert State.CLOSED is bench.breaker.state


def late(permit: Permit) -> None:
    report_content(permit)
    report_success(permit)
    report_failure(permit, SLOW)
    release(permit)


def test_verdicts_of_calls_from_before_it_opened_change_nothing() -> None:
    bench = Bench()
    old = [bench.permit() for _ in range(10)]
    bench.trip()
    late(old.pop())
    opened = bench.breaker.state
    bench.clock.advance(10)
    probe = bench.permit()
    for permit in old:
        late(permit)

    assert (State.OPEN, State.HALF_OPEN) == (opened, bench.breaker.state)
    assert bench.is_probed
    report_content(probe)
    assert State.CLOSED is bench.breaker.state


def test_verdicts_of_a_probe_that_was_given_up_change_nothing() -> None:
    bench = Bench()
    bench.half_open()
    given_up = bench.permit()
    release(given_up)
    bench.permit()
    late(given_up)

    assert State.HALF_OPEN is bench.breaker.state
    assert bench.is_probed


def test_failures_of_the_old_days_are_forgotten_when_it_closes() -> None:
    bench = Bench()
    bench.half_open()
    bench.succeed()
    bench.fail(STREAK - 1)

    assert State.CLOSED is bench.breaker.state


def test_who_has_nowhere_else_to_go_passes_once_a_second() -> None:
    bench = Bench()
    bench.trip()
    release(bench.permit(only_candidate=True))
    at_once = bench.permit_if_any(only_candidate=True)
    advice_s = bench.breaker.retry_after_s(only_candidate=True)
    bench.clock.advance(1)

    assert at_once is None
    assert 1 == advice_s
    assert bench.permit_if_any(only_candidate=False) is None
    assert bench.permit(only_candidate=True).serial


def test_a_call_without_alternative_waits_for_the_one_before_it() -> None:
    bench = Bench()
    bench.trip()
    bench.permit(only_candidate=True)
    bench.clock.advance(5)

    assert bench.permit_if_any(only_candidate=True) is None


def test_a_call_without_alternative_that_runs_when_the_open_time_ends_is_the_probe() -> None:
    bench = Bench()
    bench.trip()
    only_candidate = bench.permit(only_candidate=True)
    bench.clock.advance(10)
    state, second = bench.breaker.state, bench.permit_if_any(only_candidate=False)
    report_content(only_candidate)

    assert (State.HALF_OPEN, None) == (state, second)
    assert State.CLOSED is bench.breaker.state


def test_a_call_without_alternative_that_succeeds_ends_the_open_time() -> None:
    local, cloud = Bench(), Bench(closes_after=2)
    for bench in (local, cloud):
        bench.trip()
        report_content(bench.permit(only_candidate=True))

    assert (State.CLOSED, State.HALF_OPEN) == (local.breaker.state, cloud.breaker.state)


def test_a_call_without_alternative_that_fails_starts_the_open_time_anew_and_is_no_news() -> None:
    bench = Bench()
    bench.trip()
    bench.clock.advance(8)
    report_failure(bench.permit(only_candidate=True), FAST)
    bench.clock.advance(8)

    assert State.OPEN is bench.breaker.state
    assert 1 == len(bench.told)


def test_being_seen_again_ends_the_open_time_only() -> None:
    bench = Bench()
    bench.breaker.try_now()
    closed = bench.breaker.state
    bench.trip()
    bench.breaker.try_now()
    half_open = bench.breaker.state
    bench.permit()
    bench.breaker.try_now()

    assert (State.CLOSED, State.HALF_OPEN) == (closed, half_open)
    assert bench.is_probed


def test_how_long_it_is_open_counts_from_when_it_was_last_closed() -> None:
    bench = Bench()
    closed = bench.breaker.is_open(for_s=0)
    bench.half_open()
    half_open = bench.breaker.is_open(for_s=0)
    bench.fail()
    bench.clock.advance(5)

    assert (False, False) == (closed, half_open)
    assert bench.breaker.is_open(for_s=15)
    assert not bench.breaker.is_open(for_s=16)


def test_failures_that_a_success_has_overtaken_are_no_streak() -> None:
    bench = Bench()
    kept_back = [bench.permit() for _ in range(STREAK)]
    bench.succeed()
    for permit in kept_back:
        report_failure(permit, FAST, is_stale=True)

    assert State.CLOSED is bench.breaker.state
    assert 1 == bench.breaker.successes
