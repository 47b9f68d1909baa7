"""Pauses, told waits, and how a call's time is divided (docs/failover.md 4)."""

import random

import pytest

from llmsvc_server.chat.request import Delivery
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from tests.fakes.scripted_provider import done
from tests.unit.server.routing.candidates import TIME_S, Asked, walk


def test_a_lost_connection_is_repeated_at_once_and_a_fault_after_a_moment() -> None:
    connect = walk(Asked())
    connect.fail(ProviderError(ErrorKind.CONNECT), ProviderError(ErrorKind.CONNECT))
    fault = walk(Asked())
    fault.fail(ProviderError(ErrorKind.TRANSIENT), ProviderError(ErrorKind.TRANSIENT))

    assert [0.0, 0.0] == [step.pause_s for step in connect.steps]
    assert [0.0, 0.25] == [step.pause_s for step in fault.steps]


@pytest.mark.parametrize(
    ("told_s", "others", "asked"),
    [
        (2.0, True, ["a", "a"]),
        (30.0, True, ["a", "b"]),
        (None, True, ["a", "b"]),
        (9.0, False, ["a", "a"]),
        (11.0, False, ["a"]),
    ],
)
def test_a_rate_limit_is_waited_out_where_that_is_worth_it(
    told_s: float | None, asked: list[str], *, others: bool
) -> None:
    behind = [Asked(name="b")] if others else []
    schedule = walk(Asked(name="a"), *behind)
    limits = [ProviderError(ErrorKind.RATE_LIMIT, retry_after_s=told_s) for _ in asked]

    assert asked == schedule.fail(*limits)
    for step in schedule.steps[1:]:
        if step.is_retry:
            assert step.pause_s >= (told_s or 0.0)


def test_alone_a_limit_without_a_word_is_waited_out_as_long_as_its_block() -> None:
    first = Asked()
    schedule = walk(first)
    schedule.step()
    first.refuses = ProviderError(ErrorKind.RATE_LIMIT, called=False, retry_after_s=2.0)
    schedule.end(schedule.steps[0], ProviderError(ErrorKind.RATE_LIMIT))
    again = schedule.step()

    assert again is not None
    assert 2.25 == again.pause_s


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (ProviderError(ErrorKind.RATE_LIMIT, retry_after_s=2.0), ["a"]),
        (ProviderError(ErrorKind.RATE_LIMIT, retry_after_s=1.4), ["a", "a"]),
        (ProviderError(ErrorKind.TRANSIENT, retry_after_s=1.6), ["a"]),
        (ProviderError(ErrorKind.TRANSIENT, retry_after_s=1.4), ["a", "a"]),
    ],
)
def test_no_wait_takes_more_than_half_of_the_time_left(
    error: ProviderError, asked: list[str]
) -> None:
    schedule = walk(Asked(), time_s=3.0)

    assert asked == schedule.fail(error, ProviderError(ErrorKind.TRANSIENT))
    for step in schedule.steps[1:]:
        assert 1.4 <= step.pause_s <= 1.5


def test_a_pause_that_would_take_more_than_half_of_the_time_left_is_none() -> None:
    schedule = walk(Asked(), time_s=0.4)

    assert ["a"] == schedule.fail(
        ProviderError(ErrorKind.TRANSIENT), ProviderError(ErrorKind.TRANSIENT)
    )


@pytest.mark.parametrize(
    ("told_s", "others", "asked"),
    [(2.5, True, ["a", "a"]), (20.0, True, ["a", "b"]), (9.0, False, ["a", "a"])],
)
def test_a_fault_that_says_when_to_come_back_is_not_asked_before(
    told_s: float, asked: list[str], *, others: bool
) -> None:
    behind = [Asked(name="b")] if others else []
    schedule = walk(Asked(name="a"), *behind)

    assert asked == schedule.fail(
        ProviderError(ErrorKind.TRANSIENT, retry_after_s=told_s), ProviderError(ErrorKind.TRANSIENT)
    )
    assert schedule.steps[1].pause_s in (told_s, 0.0)


def test_pauses_spread_over_the_whole_range() -> None:
    rng = random.Random(7)  # noqa: S311  seeded, so that the test can foresee it
    pauses_s = []
    for _ in range(200):
        schedule = walk(Asked(), rng=rng)
        schedule.fail(ProviderError(ErrorKind.TRANSIENT), ProviderError(ErrorKind.TRANSIENT))
        pauses_s.append(schedule.steps[1].pause_s)

    assert 0.0 <= min(pauses_s) < 0.02
    assert 0.48 < max(pauses_s) <= 0.5
    assert 80 < sum(pause_s < 0.25 for pause_s in pauses_s) < 120


@pytest.mark.parametrize(
    "refusal",
    [
        ProviderError(ErrorKind.OPEN, called=False, retry_after_s=1.0),
        ProviderError(ErrorKind.RATE_LIMIT, called=False, retry_after_s=11.0),
        ProviderError(ErrorKind.RATE_LIMIT, called=False),
    ],
)
def test_a_limit_is_not_waited_out_where_something_else_bars_the_way(
    refusal: ProviderError,
) -> None:
    first = Asked()
    schedule = walk(first)
    step = schedule.step()
    assert step is not None
    first.refuses = refusal
    schedule.end(step, ProviderError(ErrorKind.RATE_LIMIT, retry_after_s=1.0))

    assert schedule.step() is None


def test_a_limit_without_a_word_and_without_a_block_is_told_at_once() -> None:
    assert ["a"] == walk(Asked()).fail(
        ProviderError(ErrorKind.RATE_LIMIT), ProviderError(ErrorKind.TRANSIENT)
    )


@pytest.mark.parametrize("time_s", [7.0, 30.0])
def test_a_limit_that_lasts_too_long_is_told_and_not_waited_out(time_s: float) -> None:
    limited = ProviderError(
        ErrorKind.RATE_LIMIT, called=False, retry_after_s=4.0 if time_s < 8 else 11.0
    )
    schedule = walk(Asked(refuses=limited), time_s=time_s)

    assert schedule.step() is None
    assert ErrorKind.RATE_LIMIT.value == str(schedule.schedule.failure())


def test_a_candidate_under_a_rate_limit_is_waited_for_where_there_is_no_other() -> None:
    limited = ProviderError(ErrorKind.RATE_LIMIT, called=False, retry_after_s=4.0)
    alone = walk(Asked(refuses=limited)).step()
    behind = walk(Asked(refuses=limited), Asked(name="b")).step()

    assert alone is not None
    assert behind is not None
    assert 4.25 == alone.pause_s
    assert ("b", 0.0) == (behind.candidate.info.name, behind.pause_s)


def test_time_is_kept_for_those_who_come_later() -> None:
    step = walk(Asked(first_token_s=100), Asked(name="b", min_s=20)).step()
    assert step is not None

    assert TIME_S - 20 == step.limits.first_token_by.remaining_s()
    assert TIME_S - 20 == step.limits.latest_first.remaining_s()
    assert not step.limits.is_full_length


def test_later_ones_get_half_of_the_time_at_most() -> None:
    step = walk(Asked(first_token_s=100), Asked(name="b", min_s=500)).step()
    assert step is not None

    assert TIME_S / 2 == step.limits.first_token_by.remaining_s()


def test_a_candidate_with_too_little_time_is_skipped_but_the_last_one_never() -> None:
    schedule = walk(Asked(name="a", min_s=1), Asked(name="b", min_s=1), time_s=0.8)

    assert ["b"] == schedule.fail(ProviderError(ErrorKind.CREDENTIAL))
    assert [ErrorKind.NO_TIME] == [error.kind for error in schedule.skipped]


def test_no_attempt_begins_after_the_end_of_the_time() -> None:
    schedule = walk(Asked(name="a"), Asked(name="b"))
    step = schedule.step()
    assert step is not None
    schedule.clock.advance(TIME_S)
    schedule.end(step, ProviderError(ErrorKind.CONNECT))

    assert schedule.step() is None
    assert ErrorKind.CONNECT.value == str(schedule.schedule.failure())


def test_a_call_that_comes_too_late_is_told_so() -> None:
    schedule = walk(Asked(), time_s=0)

    assert schedule.step() is None
    assert ErrorKind.NO_TIME.value == str(schedule.schedule.failure())


def test_a_pause_leaves_later_ones_their_part_too() -> None:
    schedule = walk(Asked(first_token_s=100), Asked(name="b", min_s=20))
    schedule.fail(ProviderError(ErrorKind.TRANSIENT))
    again = schedule.step()
    assert again is not None

    assert TIME_S - 20 == again.limits.first_token_by.remaining_s()


def test_a_candidate_that_is_given_little_by_its_own_settings_is_asked() -> None:
    step = walk(Asked(first_token_s=0.1), Asked(name="b")).step()

    assert step is not None
    assert "a" == step.candidate.info.name


def test_whole_answers_count_with_what_they_take_to_their_end() -> None:
    later = Asked(name="b")
    schedule = walk(Asked(first_token_s=100), later, delivery=Delivery.WHOLE)
    later.timeouts.latency.take_answer("m", done(), first_s=1, total_s=25)
    step = schedule.step()
    assert step is not None

    assert TIME_S - 25 == step.limits.first_token_by.remaining_s()


def test_who_cannot_hold_the_prompt_keeps_no_time_and_no_request() -> None:
    schedule = walk(
        Asked(name="a", window_tokens=10),
        Asked(name="b", window_tokens=5000, first_token_s=100),
        Asked(name="small", window_tokens=10, min_s=20),
        Asked(name="small too", window_tokens=10, min_s=20),
    )
    many = ProviderError(ErrorKind.CONTEXT, context_length=10, requests=2)

    assert ["a", "b", "b"] == schedule.fail(
        many, ProviderError(ErrorKind.TRANSIENT), ProviderError(ErrorKind.TRANSIENT)
    )
    limits = schedule.steps[1].limits
    assert limits.finish_by == limits.first_token_by
