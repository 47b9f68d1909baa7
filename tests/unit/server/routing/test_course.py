import pytest

from llmsvc_server.chat.request import Delivery
from llmsvc_server.chat.route import Locality
from llmsvc_server.errors import (
    AllProvidersFailed,
    ContentRejected,
    ContextTooLong,
    CredentialRejected,
    ModelLoading,
    ModelNotFound,
    ModelOutputInvalid,
    PrivacyViolated,
    ProviderBlocked,
    ProviderError,
    ProviderFailed,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnreachable,
    QueueFull,
)
from tests.unit.server.routing.candidates import TIME_S, Asked, walk


class Kept:
    """A verdict that remembers what became of it."""

    def __init__(self) -> None:
        self.counted = 0

    def count(self) -> None:
        self.counted += 1

    def withdraw(self) -> None:
        self.counted -= 1


def slow(error: ProviderError) -> ProviderError:
    error.ran_s = 2.5
    return error


def test_candidates_come_in_order_and_then_none() -> None:
    course = walk(Asked(name="a"), Asked(name="b"))

    assert ["a", "b"] == course.fail(*[CredentialRejected() for _ in range(3)])
    assert course.step() is None


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (ProviderUnreachable, ["a", "a", "b"]),
        (ProviderFailed, ["a", "a", "b"]),
        (ProviderTimeout, ["a", "b", "b"]),
        (ModelNotFound, ["a", "a", "b"]),
        (CredentialRejected, ["a", "b"]),
        (ContentRejected, ["a"]),
        (PrivacyViolated, ["a"]),
        (ProviderRejected, ["a"]),
    ],
)
def test_who_is_asked_again_and_who_next(error: type[ProviderError], asked: list[str]) -> None:
    course = walk(Asked(name="a"), Asked(name="b"))

    assert asked == course.fail(error(), *[ProviderFailed() for _ in range(9)])[: len(asked)]


def test_three_candidates_under_a_fault_that_stays_get_two_one_and_one() -> None:
    course = walk(Asked(name="a"), Asked(name="b"), Asked(name="c"))

    assert ["a", "a", "b", "c"] == course.fail(*[ProviderFailed() for _ in range(9)])


def test_a_replaced_connection_counts_as_a_request() -> None:
    replaced = ProviderUnreachable()
    replaced.requests = 2
    course = walk(Asked(name="a"), Asked(name="b"))

    assert ["a", "a", "b"] == course.fail(replaced, *[ProviderFailed() for _ in range(9)])


def test_no_request_is_made_beyond_four() -> None:
    many = ProviderFailed()
    many.requests = 4
    course = walk(Asked(name="a"), Asked(name="b"))

    assert ["a"] == course.fail(many, ProviderFailed())
    assert course.step() is None


def test_a_slow_failure_is_not_repeated_at_the_same_candidate() -> None:
    course = walk(Asked(name="a"), Asked(name="b"))

    assert ["a", "b"] == course.fail(slow(ProviderFailed()), slow(ProviderFailed()))


def test_nobody_is_asked_again_whose_breaker_has_opened() -> None:
    first = Asked(name="a")
    course = walk(first, Asked(name="b"))
    course.step()
    first.refuses = ProviderBlocked(called=False)
    course.course.failed(course.steps[0], _of(course.steps[0].candidate.info, ProviderFailed()))

    assert ["b"] == course.fail(CredentialRejected())


def _of(info: object, error: ProviderError) -> ProviderError:
    error.provider = info  # type: ignore[assignment]  # a provider's
    return error


def test_a_lost_connection_is_repeated_at_once_and_a_fault_after_a_moment() -> None:
    connect = walk(Asked())
    connect.fail(ProviderUnreachable(), ProviderUnreachable())
    fault = walk(Asked())
    fault.fail(ProviderFailed(), ProviderFailed())

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
    course = walk(Asked(name="a"), *behind)
    limits = [ProviderRateLimited(retry_after_s=told_s) for _ in asked]

    assert asked == course.fail(*limits)
    for step in course.steps[1:]:
        if step.is_retry:
            assert step.pause_s >= (told_s or 0.0)


def test_alone_a_limit_without_a_word_is_waited_out_as_long_as_its_block() -> None:
    first = Asked()
    course = walk(first)
    course.step()
    first.refuses = ProviderRateLimited(called=False, retry_after_s=2.0)
    course.course.failed(
        course.steps[0], _of(course.steps[0].candidate.info, ProviderRateLimited())
    )
    again = course.step()

    assert again is not None
    assert 2.25 == again.pause_s


def test_no_wait_takes_more_than_half_of_the_time_left() -> None:
    course = walk(Asked(), time_s=3.0)

    assert ["a"] == course.fail(ProviderRateLimited(retry_after_s=2.0), ProviderFailed())


def test_a_candidate_under_a_rate_limit_is_waited_for_where_there_is_no_other() -> None:
    limited = ProviderRateLimited(called=False, retry_after_s=4.0)
    alone = walk(Asked(refuses=limited)).step()
    behind = walk(Asked(refuses=limited), Asked(name="b")).step()

    assert alone is not None
    assert behind is not None
    assert 4.25 == alone.pause_s
    assert ("b", 0.0) == (behind.candidate.info.name, behind.pause_s)


def test_who_may_not_be_called_is_skipped_and_said_so() -> None:
    course = walk(Asked(name="a", refuses=ProviderBlocked(called=False)), Asked(name="b"))
    step = course.step()
    assert step is not None
    attempts = course.course.route(step, 0.1).trail.attempts

    assert [("a", "BREAKER_OPEN", None, False), ("b", "", 0.1, True)] == [
        (one.provider.name, one.reason, one.elapsed_s, one.content_sent) for one in attempts
    ]


def test_the_only_candidate_is_told_that_it_is() -> None:
    alone, first = walk(Asked()).step(), walk(Asked(), Asked(name="b")).step()
    assert alone is not None
    assert first is not None

    assert (True, False) == (alone.budget.sole, first.budget.sole)
    assert (False, True) == (alone.budget.fallback_follows, first.budget.fallback_follows)


def test_time_is_kept_for_those_who_come_later() -> None:
    step = walk(Asked(first_token_s=100), Asked(name="b", least_s=20)).step()
    assert step is not None

    assert TIME_S - 20 == step.budget.first_token_by.remaining_s()
    assert TIME_S - 20 == step.budget.latest_first.remaining_s()
    assert not step.budget.whole_patience


def test_later_ones_get_half_of_the_time_at_most() -> None:
    step = walk(Asked(first_token_s=100), Asked(name="b", least_s=500)).step()
    assert step is not None

    assert TIME_S / 2 == step.budget.first_token_by.remaining_s()


def test_a_candidate_with_too_little_time_is_skipped_but_the_last_one_never() -> None:
    course = walk(Asked(name="a", least_s=1), Asked(name="b", least_s=1), time_s=0.8)

    assert ["b"] == course.fail(CredentialRejected())
    error = course.course.failure()
    assert error.trail is not None
    assert ["TIME_LIMIT_EXCEEDED", "PROVIDER_CREDENTIALS_REJECTED"] == [
        attempt.reason for attempt in error.trail.attempts
    ]


def test_a_candidate_that_is_given_little_by_its_own_settings_is_asked() -> None:
    step = walk(Asked(first_token_s=0.1), Asked(name="b")).step()

    assert step is not None
    assert "a" == step.candidate.info.name


def test_whole_answers_count_with_what_they_take_to_their_end() -> None:
    later = Asked(name="b")
    course = walk(Asked(first_token_s=100), later, delivery=Delivery.WHOLE)
    later.pace.answered("m", first_token_s=1, total_s=25)
    step = course.step()
    assert step is not None

    assert TIME_S - 25 == step.budget.first_token_by.remaining_s()


def test_a_prompt_that_is_too_long_goes_to_larger_known_windows_only() -> None:
    course = walk(
        Asked(name="a", window_tokens=2048),
        Asked(name="unknown"),
        Asked(name="same", window_tokens=2048),
        Asked(name="larger", window_tokens=4096),
    )

    assert ["a", "larger"] == course.fail(ContextTooLong(context_length=2048), CredentialRejected())


def test_an_unusable_answer_is_tried_once_elsewhere() -> None:
    course = walk(Asked(name="a"), Asked(name="b"), Asked(name="c"))

    assert ["a", "b"] == course.fail(*[ModelOutputInvalid() for _ in range(3)])


def test_a_later_refusal_of_the_request_is_a_fact_about_its_provider() -> None:
    course = walk(Asked(name="a"), Asked(name="b"), Asked(name="c"))

    assert ["a", "b", "c"] == course.fail(
        CredentialRejected(), ProviderRejected(), CredentialRejected()
    )


@pytest.mark.parametrize("error", [QueueFull(called=False), ModelLoading(called=False)])
def test_remote_ones_stay_out_where_a_local_one_is_merely_busy(error: ProviderError) -> None:
    course = walk(
        Asked(name="a", locality=Locality.LOCAL),
        Asked(name="cloud"),
        Asked(name="b", locality=Locality.LOCAL),
        remote_when_busy=False,
    )
    first = course.step()
    assert first is not None
    course.course.failed(first, _of(first.candidate.info, error))

    assert ["b"] == course.fail(CredentialRejected())


def test_a_queue_is_not_left_for_a_cloud_where_that_is_not_wanted() -> None:
    local = Asked(locality=Locality.LOCAL)
    step = walk(local, Asked(name="cloud"), remote_when_busy=False).step()

    assert step is not None
    assert not step.budget.fallback_follows


def test_the_last_words_count_once_the_call_is_over() -> None:
    course = walk(Asked(name="a"), Asked(name="b"))
    first, second = ProviderFailed(), CredentialRejected()
    kept = first.verdict = Kept()
    course.fail(first)
    retry = course.step()
    assert retry is not None
    before = kept.counted
    course.course.failed(retry, _of(retry.candidate.info, second))
    course.course.settle()

    assert retry.budget.earlier is kept
    assert (0, 1) == (before, kept.counted)


def test_the_last_failure_of_several_is_told_with_its_trail() -> None:
    course = walk(Asked(name="a"), Asked(name="b"))
    course.fail(slow(ProviderFailed()), CredentialRejected())
    error = course.course.failure()
    assert error.trail is not None

    assert isinstance(error, AllProvidersFailed)
    assert ["PROVIDER_ERROR", "PROVIDER_CREDENTIALS_REJECTED"] == [
        attempt.reason for attempt in error.trail.attempts
    ]
