from llmsvc_server.errors import (
    AllProvidersFailed,
    CapabilityMissing,
    ContextTooLong,
    ErrorKind,
    ModelNotFound,
    ModelOutputInvalid,
    PrivacyViolated,
    ProviderError,
    ProviderFailed,
    ProviderMisconfigured,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnreachable,
    QueueFull,
)
from llmsvc_server.routing.budget import Patience
from llmsvc_server.routing.course import Course
from llmsvc_server.routing.plan import Candidate
from llmsvc_server.routing.policy import POLICY
from tests.fakes.manual_clock import ManualClock
from tests.fakes.requests import in_s
from tests.fakes.scripted_provider import ScriptedProvider

PATIENCE = Patience(first_token_s=10, cold_s=100, is_loaded=lambda model: model == "warm")


def course_of(*models: str, unusable: tuple[ProviderError, ...] = ()) -> Course:
    candidates = tuple(
        Candidate(provider=ScriptedProvider(), model=model, patience=PATIENCE) for model in models
    )
    return Course([*unusable, *candidates], in_s(60, ManualClock()))


def walk(course: Course, *errors: ProviderError) -> int:
    """Fail each attempt with the next error; return how many attempts there were."""
    attempts = 0
    for error in errors:
        if course.next() is None:
            break
        attempts += 1
        course.failed(error)
    return attempts


def test_candidates_come_in_order_and_then_none() -> None:
    course = course_of("a", "b")
    steps = [course.next(), course.next(), course.next()]

    assert ["a", "b", None] == [step and step.candidate.model for step in steps]


def test_each_attempt_gets_the_patience_of_its_own_model_from_now_on() -> None:
    clock = ManualClock()
    candidates = tuple(
        Candidate(provider=ScriptedProvider(), model=model, patience=PATIENCE)
        for model in ("warm", "cold")
    )
    course = Course(candidates, in_s(60, clock))
    warm, cold = course.next(), course.next()
    assert warm is not None
    assert cold is not None

    assert (10, True) == (warm.budget.first_token_by.remaining_s(), warm.budget.fallback_follows)
    assert (60, False) == (cold.budget.first_token_by.remaining_s(), cold.budget.fallback_follows)


def test_what_the_caller_may_have_caused_ends_the_chain_only_as_the_first_word() -> None:
    first, later = course_of("a", "b", "c"), course_of("a", "b", "c")

    assert 1 == walk(first, ProviderRejected(), ProviderFailed(), ProviderFailed())
    assert 3 == walk(later, ProviderFailed(), ProviderRejected(), ProviderFailed())
    assert isinstance(first.failure(), ProviderRejected)
    assert isinstance(later.failure(), AllProvidersFailed)


def test_a_prompt_too_long_and_a_violation_are_never_taken_elsewhere() -> None:
    for error in (ContextTooLong(), PrivacyViolated()):
        course = course_of("a", "b")

        assert 1 == walk(course, error, ProviderFailed())
        assert error is course.failure()
    late = course_of("a", "b")
    violation = PrivacyViolated()
    walk(late, ProviderFailed(), violation)
    assert violation is late.failure()


def test_a_prompt_too_long_for_a_later_one_does_not_hide_an_outage() -> None:
    course = course_of("a", "b", "c")
    outage = ProviderFailed()

    assert 2 == walk(course, outage, ContextTooLong(), ProviderFailed())
    failure = course.failure()
    assert isinstance(failure, AllProvidersFailed)
    assert outage is failure.deciding


def test_where_the_primary_is_down_a_later_ones_refusal_does_not_hide_that() -> None:
    down = ProviderUnreachable(called=False)
    course = course_of("b", "c", unusable=(down,))

    assert 2 == walk(course, ProviderRejected(), ProviderRejected())
    failure = course.failure()
    assert isinstance(failure, AllProvidersFailed)
    assert down is failure.deciding


def test_failures_are_told_in_the_configured_order() -> None:
    failed, skipped = ProviderFailed(), ProviderUnreachable(called=False)
    candidate = Candidate(provider=ScriptedProvider(), model="a", patience=PATIENCE)
    course = Course([candidate, skipped], in_s(60, ManualClock()))
    walk(course, failed)
    assert course.next() is None
    failure = course.failure()

    assert isinstance(failure, AllProvidersFailed)
    assert failed is failure.deciding


def test_a_useless_answer_is_taken_elsewhere_once() -> None:
    course = course_of("a", "b", "c")

    assert 2 == walk(course, ModelOutputInvalid(), ModelOutputInvalid(), ProviderFailed())
    failure = course.failure()
    assert isinstance(failure, AllProvidersFailed)
    assert ErrorKind.MODEL_OUTPUT is failure.deciding.kind


def test_everything_else_moves_to_the_next() -> None:
    moving = [
        ProviderUnreachable(),
        ProviderTimeout(),
        QueueFull(called=False),
        ProviderMisconfigured(),
        CapabilityMissing(),
        ModelNotFound(),
    ]
    for error in moving:
        assert 2 == walk(course_of("a", "b"), error, ProviderFailed()), error.kind


def test_the_only_failure_is_told_itself() -> None:
    course = course_of("a")
    error = ProviderTimeout(phase="first_token")
    walk(course, error)

    assert error is course.failure()


def test_two_attempts_that_failed_alike_are_told_as_all() -> None:
    course = course_of("a", "b")
    walk(course, ProviderUnreachable(), ProviderUnreachable())

    assert isinstance(course.failure(), AllProvidersFailed)


def test_all_skipped_for_one_reason_is_that_reason() -> None:
    missing = (ModelNotFound(called=False), ModelNotFound(called=False))

    course = course_of(unusable=missing)

    assert course.next() is None
    assert missing[0] is course.failure()


def test_the_first_failure_that_may_pass_decides() -> None:
    course = course_of("a", "b", "c")
    passing = QueueFull(called=False, retry_after_s=7)
    walk(course, ProviderMisconfigured(), passing, ProviderFailed(retry_after_s=3))
    failure = course.failure()

    assert isinstance(failure, AllProvidersFailed)
    assert passing is failure.deciding
    assert 3 == failure.retry_after_s
    assert failure.called


def test_without_one_that_may_pass_the_first_decides() -> None:
    course = course_of("a", "b")
    first = ProviderMisconfigured()
    walk(course, first, CapabilityMissing())
    failure = course.failure()

    assert isinstance(failure, AllProvidersFailed)
    assert first is failure.deciding
    assert failure.retry_after_s is None


def test_a_candidate_that_merely_lacks_the_model_does_not_hide_an_outage() -> None:
    down = ProviderUnreachable(called=False)
    course = course_of(unusable=(down, ModelNotFound(called=False)))

    assert course.next() is None
    assert down is course.failure()


def test_every_class_has_a_policy() -> None:
    assert set(ErrorKind) == set(POLICY)
