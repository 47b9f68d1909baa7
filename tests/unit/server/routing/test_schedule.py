import pytest

from llmsvc_server.chat.route import Locality
from llmsvc_server.errors import AllProvidersFailed, ProviderError
from llmsvc_server.failures import ErrorKind
from tests.unit.server.routing.candidates import Asked, info_of, walk


def test_candidates_come_in_order_and_then_none() -> None:
    schedule = walk(Asked(name="a"), Asked(name="b"))

    assert ["a", "b"] == schedule.fail(*[ProviderError(ErrorKind.CREDENTIAL) for _ in range(3)])
    assert schedule.step() is None


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        (ErrorKind.CONNECT, ["a", "a", "b"]),
        (ErrorKind.TRANSIENT, ["a", "a", "b"]),
        (ErrorKind.SILENT, ["a", "b", "b"]),
        (ErrorKind.MODEL_MISSING, ["a", "a", "b"]),
        (ErrorKind.CREDENTIAL, ["a", "b"]),
        (ErrorKind.CONTENT, ["a"]),
        (ErrorKind.VIOLATION, ["a"]),
        (ErrorKind.CALLER, ["a"]),
    ],
)
def test_who_is_asked_again_and_who_next(kind: ErrorKind, asked: list[str]) -> None:
    schedule = walk(Asked(name="a"), Asked(name="b"))

    assert (
        asked
        == schedule.fail(
            ProviderError(kind), *[ProviderError(ErrorKind.TRANSIENT) for _ in range(9)]
        )[: len(asked)]
    )


def test_three_candidates_under_a_fault_that_stays_get_two_one_and_one() -> None:
    schedule = walk(Asked(name="a"), Asked(name="b"), Asked(name="c"))

    assert ["a", "a", "b", "c"] == schedule.fail(
        *[ProviderError(ErrorKind.TRANSIENT) for _ in range(9)]
    )


def test_a_replaced_connection_counts_as_a_request() -> None:
    replaced = ProviderError(ErrorKind.CONNECT, requests=2)
    schedule = walk(Asked(name="a"), Asked(name="b"))

    assert ["a", "a", "b"] == schedule.fail(
        replaced, *[ProviderError(ErrorKind.TRANSIENT) for _ in range(9)]
    )


def test_no_request_is_made_beyond_four() -> None:
    many = ProviderError(ErrorKind.TRANSIENT, requests=4)
    schedule = walk(Asked(name="a"), Asked(name="b"))

    assert ["a"] == schedule.fail(many, ProviderError(ErrorKind.TRANSIENT))
    assert schedule.step() is None


def test_a_slow_failure_is_not_repeated_at_the_same_candidate() -> None:
    schedule = walk(Asked(name="a"), Asked(name="b"))

    assert ["a", "b"] == schedule.fail(
        ProviderError(ErrorKind.TRANSIENT), ProviderError(ErrorKind.TRANSIENT), ran_s=2.5
    )


def test_nobody_is_asked_again_whose_breaker_has_opened() -> None:
    first = Asked(name="a")
    schedule = walk(first, Asked(name="b"))
    schedule.step()
    first.refuses = ProviderError(ErrorKind.OPEN, called=False)
    schedule.end(schedule.steps[0], ProviderError(ErrorKind.TRANSIENT))

    assert ["b"] == schedule.fail(ProviderError(ErrorKind.CREDENTIAL))


def test_who_may_not_be_called_is_skipped_and_said_so() -> None:
    schedule = walk(
        Asked(name="a", refuses=ProviderError(ErrorKind.OPEN, called=False)), Asked(name="b")
    )
    step = schedule.step()
    assert step is not None
    (skipped,) = schedule.skipped

    assert "b" == step.candidate.info.name
    assert (info_of("a"), "m", ErrorKind.OPEN, False) == (
        skipped.provider,
        skipped.model,
        skipped.kind,
        skipped.called,
    )


def test_the_only_candidate_is_told_that_it_is() -> None:
    alone, first = walk(Asked()).step(), walk(Asked(), Asked(name="b")).step()
    assert alone is not None
    assert first is not None

    assert (True, False) == (alone.limits.only_candidate, first.limits.only_candidate)
    assert (False, True) == (alone.limits.fallback_follows, first.limits.fallback_follows)


def test_a_prompt_that_is_too_long_goes_to_larger_known_windows_only() -> None:
    schedule = walk(
        Asked(name="a", window_tokens=2048),
        Asked(name="unknown"),
        Asked(name="same", window_tokens=2048),
        Asked(name="larger", window_tokens=4096),
    )

    assert ["a", "larger"] == schedule.fail(
        ProviderError(ErrorKind.CONTEXT, context_length=2048), ProviderError(ErrorKind.CREDENTIAL)
    )


def test_a_prompt_needs_a_window_of_what_its_provider_counted() -> None:
    schedule = walk(
        Asked(name="a"),
        Asked(name="smaller", window_tokens=4999),
        Asked(name="larger", window_tokens=5000),
    )

    assert ["a", "larger"] == schedule.fail(
        ProviderError(ErrorKind.CONTEXT, input_tokens=5000), ProviderError(ErrorKind.CREDENTIAL)
    )


def test_an_unusable_answer_is_tried_once_elsewhere() -> None:
    schedule = walk(Asked(name="a"), Asked(name="b"), Asked(name="c"))

    assert ["a", "b"] == schedule.fail(*[ProviderError(ErrorKind.MODEL_OUTPUT) for _ in range(3)])


@pytest.mark.parametrize("first", [ErrorKind.MODEL_OUTPUT, ErrorKind.NONCONFORMING])
def test_who_wrote_what_of_no_use_is_told_first(first: ErrorKind) -> None:
    schedule = walk(Asked(name="a"), Asked(name="b"), Asked(name="c"))
    schedule.fail(ProviderError(first), ProviderError(ErrorKind.NONCONFORMING))

    told = schedule.schedule.failure()
    assert isinstance(told, ProviderError)
    assert told.provider is not None
    assert (first, "a") == (told.kind, told.provider.name)


def test_a_schema_that_ended_an_engine_goes_to_no_other_of_its_kind() -> None:
    schedule = walk(
        ProviderError(ErrorKind.MODEL_MISSING, called=False),
        Asked(name="a", locality=Locality.LOCAL),
        Asked(name="b", locality=Locality.LOCAL),
        Asked(name="vendor"),
    )
    asked = schedule.fail(
        ProviderError(ErrorKind.FATAL_SCHEMA), ProviderError(ErrorKind.FATAL_SCHEMA)
    )

    assert ["a", "vendor"] == asked
    assert [ErrorKind.MODEL_MISSING, ErrorKind.FATAL_SCHEMA] == [
        one.kind for one in schedule.skipped
    ]


def test_a_schema_that_ended_the_only_engine_is_told_itself() -> None:
    schedule = walk(*[Asked(name=name, locality=Locality.LOCAL) for name in "ab"])

    assert ["a"] == schedule.fail(*[ProviderError(ErrorKind.FATAL_SCHEMA) for _ in range(2)])
    assert schedule.step() is None
    told = schedule.schedule.failure()
    assert isinstance(told, ProviderError)
    assert (ErrorKind.FATAL_SCHEMA, True) == (told.kind, told.called)


def test_a_later_refusal_of_the_request_is_a_fact_about_its_provider() -> None:
    schedule = walk(Asked(name="a"), Asked(name="b"), Asked(name="c"))

    assert ["a", "b", "c"] == schedule.fail(
        ProviderError(ErrorKind.CREDENTIAL),
        ProviderError(ErrorKind.CALLER),
        ProviderError(ErrorKind.CREDENTIAL),
    )


@pytest.mark.parametrize(
    "error",
    [
        ProviderError(ErrorKind.QUEUE_FULL, called=False),
        ProviderError(ErrorKind.COLD_LOAD, called=False),
    ],
)
def test_remote_ones_stay_out_where_a_local_one_is_merely_busy(error: ProviderError) -> None:
    schedule = walk(
        Asked(name="a", locality=Locality.LOCAL),
        Asked(name="cloud"),
        Asked(name="b", locality=Locality.LOCAL),
        remote_when_busy=False,
    )
    first = schedule.step()
    assert first is not None
    schedule.end(first, error)

    assert ["b"] == schedule.fail(ProviderError(ErrorKind.CREDENTIAL))


def test_a_busy_cloud_keeps_no_other_cloud_away() -> None:
    schedule = walk(Asked(name="a"), Asked(name="b"), remote_when_busy=False)

    assert ["a", "b"] == schedule.fail(
        ProviderError(ErrorKind.QUEUE_FULL, called=False), ProviderError(ErrorKind.CREDENTIAL)
    )


def test_remote_ones_help_where_a_local_one_is_broken() -> None:
    schedule = walk(
        Asked(name="a", locality=Locality.LOCAL), Asked(name="cloud"), remote_when_busy=False
    )

    assert ["a", "cloud"] == schedule.fail(
        ProviderError(ErrorKind.SILENT), ProviderError(ErrorKind.CREDENTIAL)
    )


def test_a_queue_is_not_left_for_a_cloud_where_that_is_not_wanted() -> None:
    local = Asked(locality=Locality.LOCAL)
    step = walk(local, Asked(name="cloud"), remote_when_busy=False).step()

    assert step is not None
    assert not step.limits.fallback_follows


def test_who_ends_the_chain_is_told_without_a_word_of_privacy() -> None:
    forbidden = ProviderError(ErrorKind.REMOTE_REFUSED, called=False, cause="request")
    schedule = walk(forbidden, Asked(name="a"))
    schedule.fail(ProviderError(ErrorKind.CONTENT))

    assert "" == schedule.schedule.failure().failover_blocked


def test_a_plan_that_names_its_targets_is_told_what_was_forbidden() -> None:
    forbidden = ProviderError(ErrorKind.REMOTE_REFUSED, called=False, cause="request")
    schedule = walk(
        ProviderError(ErrorKind.MODEL_MISSING, called=False), forbidden, names_target=True
    )

    assert schedule.step() is None
    failure = schedule.schedule.failure()
    assert isinstance(failure, ProviderError)
    assert (forbidden.kind, "request") == (failure.kind, failure.cause)


def test_of_several_failures_none_is_told_alone() -> None:
    schedule = walk(Asked(name="a"), Asked(name="b"))
    schedule.fail(
        ProviderError(ErrorKind.TRANSIENT), ProviderError(ErrorKind.CREDENTIAL), ran_s=2.5
    )

    assert isinstance(schedule.schedule.failure(), AllProvidersFailed)
