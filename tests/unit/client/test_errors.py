import pickle

import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_client.convert import to_route
from llmsvc_client.errors import (
    Code,
    Failure,
    InvalidRequestError,
    LlmsvcError,
    NotFoundError,
    StreamInterruptedError,
    UnavailableError,
    Violation,
)

FAILURE = Failure(
    code=Code.UNAVAILABLE,
    message="Nobody there.",
    reason="PROVIDER_UNREACHABLE",
    request_id="req-1",
    retry_after_s=2,
    metadata={"failoverBlocked": "privacy", "cause": "operator"},
    route=to_route(llm_pb2.RouteInfo(attempts=[llm_pb2.RouteAttempt(status_code=14)])),
)


def test_says_message_code_reason_and_request() -> None:
    assert "Nobody there. (UNAVAILABLE, PROVIDER_UNREACHABLE, request req-1)" == str(
        UnavailableError(FAILURE)
    )


def test_says_nothing_of_what_it_does_not_know() -> None:
    failure = Failure(code=Code.INTERNAL, message="A defect.")

    assert "A defect. (INTERNAL)" == str(LlmsvcError(failure))


def test_tells_what_was_tried_and_what_kept_the_others_away() -> None:
    error = UnavailableError(FAILURE)

    assert ["UNAVAILABLE"] == [attempt.code for attempt in error.attempts]
    assert ("privacy", "operator") == (error.failover_blocked, error.cause)


def test_tells_nothing_of_attempts_where_nothing_was_said() -> None:
    error = LlmsvcError(Failure(code=Code.INTERNAL, message="A defect."))

    assert (None, (), "", "") == (
        error.route,
        error.attempts,
        error.failover_blocked,
        error.cause,
    )


def test_never_shows_the_text_of_an_answer() -> None:
    error = StreamInterruptedError(FAILURE, partial="secret")

    assert "secret" not in repr(error) + str(error)


@pytest.mark.parametrize(
    "error",
    [
        UnavailableError(FAILURE),
        InvalidRequestError(FAILURE, violations=[Violation("model", "TOO_LONG", "Shorten it.")]),
        NotFoundError(FAILURE, resource_type="model", resource_name="phi9"),
        StreamInterruptedError(FAILURE, partial="so far"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_survives_the_way_to_another_process(error: LlmsvcError) -> None:
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes

    assert type(error) is type(copy)
    assert vars(error) == vars(copy)
