import grpc
import grpc.aio
import pytest
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from llmsvc.v1 import llm_pb2
from llmsvc_client.convert import to_route
from llmsvc_client.errors import (
    AccessDeniedError,
    Code,
    DeadlineExceededError,
    InvalidRequestError,
    LlmsvcError,
    NonconformingError,
    NotFoundError,
    OverloadedError,
    PreconditionError,
    ServerError,
    StreamInterruptedError,
    UnavailableError,
    Violation,
)
from llmsvc_client.from_status import PartialAnswer, to_error
from llmsvc_client.types import Privacy

StatusCode = grpc.StatusCode
SHOWN = PartialAnswer(text="so far", route=to_route(llm_pb2.RouteInfo(provider="ollama")))


def rpc_error(
    code: StatusCode, *trailers: tuple[str, str | bytes], message: str = "A sentence."
) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailers), message)


def details(code: StatusCode, *messages: Message) -> tuple[str, bytes]:
    status = status_pb2.Status(code=code.value[0], message="A sentence.")
    for message in messages:
        status.details.add().Pack(message)
    return "grpc-status-details-bin", status.SerializeToString()


def info(
    reason: str, metadata: dict[str, str] | None = None, domain: str = "llmsvc.v1"
) -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata)


def delay(seconds: int, nanos: int = 0) -> error_details_pb2.RetryInfo:
    wait = duration_pb2.Duration(seconds=seconds, nanos=nanos)
    return error_details_pb2.RetryInfo(retry_delay=wait)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (StatusCode.UNKNOWN, ServerError),
        (StatusCode.INVALID_ARGUMENT, InvalidRequestError),
        (StatusCode.DEADLINE_EXCEEDED, DeadlineExceededError),
        (StatusCode.NOT_FOUND, NotFoundError),
        (StatusCode.ALREADY_EXISTS, ServerError),
        (StatusCode.PERMISSION_DENIED, AccessDeniedError),
        (StatusCode.RESOURCE_EXHAUSTED, OverloadedError),
        (StatusCode.FAILED_PRECONDITION, PreconditionError),
        (StatusCode.ABORTED, ServerError),
        (StatusCode.OUT_OF_RANGE, InvalidRequestError),
        (StatusCode.UNIMPLEMENTED, ServerError),
        (StatusCode.INTERNAL, ServerError),
        (StatusCode.UNAVAILABLE, UnavailableError),
        (StatusCode.DATA_LOSS, ServerError),
        (StatusCode.UNAUTHENTICATED, AccessDeniedError),
    ],
)
def test_a_plain_status_has_its_class(code: StatusCode, kind: type[LlmsvcError]) -> None:
    error = to_error(rpc_error(code), request_id="mine-1")

    assert kind is type(error)
    assert (code.name, "A sentence.", "", "mine-1", None) == (
        error.code.value,
        error.message,
        error.reason,
        error.request_id,
        error.retry_after_s,
    )


def test_a_cancel_from_the_other_side_means_unavailable() -> None:
    error = to_error(rpc_error(StatusCode.CANCELLED), request_id=None)

    assert (UnavailableError, Code.UNAVAILABLE, True) == (type(error), error.code, error.retryable)


def test_a_status_without_text_gets_one() -> None:
    error = to_error(rpc_error(StatusCode.INTERNAL, message=""), request_id=None)

    assert "The call failed without an explanation." == error.message


@pytest.mark.parametrize(
    ("code", "with_delay", "retryable"),
    [
        (StatusCode.UNAVAILABLE, False, True),
        (StatusCode.UNAVAILABLE, True, True),
        (StatusCode.RESOURCE_EXHAUSTED, True, True),
        (StatusCode.RESOURCE_EXHAUSTED, False, False),
        (StatusCode.DEADLINE_EXCEEDED, False, False),
        (StatusCode.ABORTED, False, False),
        (StatusCode.INTERNAL, False, False),
        (StatusCode.FAILED_PRECONDITION, False, False),
    ],
)
def test_what_may_pass_is_retryable(code: StatusCode, with_delay: bool, retryable: bool) -> None:  # noqa: FBT001  a table
    found = details(code, info("ANY"), *([delay(1)] if with_delay else []))

    assert retryable is to_error(rpc_error(code, found), request_id=None).retryable


def test_reads_reason_facts_id_and_delay() -> None:
    code = StatusCode.UNAVAILABLE
    found = details(
        code,
        delay(2, 500_000_000),
        error_details_pb2.RequestInfo(request_id="req-1"),
        info("PROVIDER_TIMEOUT", {"provider": "ollama", "phase": "idle"}),
    )

    error = to_error(rpc_error(code, found), request_id="mine-1")

    assert ("PROVIDER_TIMEOUT", "req-1", 2.5) == (
        error.reason,
        error.request_id,
        error.retry_after_s,
    )
    assert {"provider": "ollama", "phase": "idle"} == error.metadata


def test_a_negative_delay_is_none_at_all() -> None:
    code = StatusCode.UNAVAILABLE

    error = to_error(rpc_error(code, details(code, delay(-5))), request_id=None)

    assert 0 == error.retry_after_s


def test_the_request_id_may_come_as_a_trailer() -> None:
    error = to_error(
        rpc_error(StatusCode.UNIMPLEMENTED, ("x-request-id", "req-1")), request_id="mine-1"
    )

    assert "req-1" == error.request_id


def test_reads_violations() -> None:
    code = StatusCode.INVALID_ARGUMENT
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="messages", reason="MISSING", description="Give one.")
    bad.field_violations.add(field="model", reason="TOO_LONG", description="At most 256 bytes.")

    error = to_error(rpc_error(code, details(code, info("INVALID_REQUEST"), bad)), request_id=None)

    assert isinstance(error, InvalidRequestError)
    assert (
        Violation("messages", "MISSING", "Give one."),
        Violation("model", "TOO_LONG", "At most 256 bytes."),
    ) == error.violations


def test_reads_what_was_not_found() -> None:
    code = StatusCode.NOT_FOUND
    what = error_details_pb2.ResourceInfo(resource_type="model", resource_name="phi9")

    error = to_error(rpc_error(code, details(code, info("MODEL_NOT_FOUND"), what)), request_id=None)

    assert isinstance(error, NotFoundError)
    assert ("model", "phi9") == (error.resource_type, error.resource_name)


def test_an_interrupted_stream_is_one_whatever_was_shown() -> None:
    code = StatusCode.ABORTED
    found = details(
        code,
        info("STREAM_INTERRUPTED"),
        llm_pb2.RouteInfo(provider="ollama"),
        llm_pb2.Usage(output_tokens=3),
    )

    error = to_error(rpc_error(code, found), request_id=None)

    assert isinstance(error, StreamInterruptedError)
    assert error.route is not None
    assert error.usage is not None
    assert ("", "ollama", 3) == (error.partial, error.route.provider, error.usage.output_tokens)


def test_reads_what_was_tried_and_what_kept_the_others_away() -> None:
    code = StatusCode.UNAVAILABLE
    refused = llm_pb2.RouteAttempt(
        target=llm_pb2.RouteTarget(provider="ollama", model="phi3:mini"),
        locality=llm_pb2.LOCALITY_LOCAL,
        status_code=code.value[0],
        reason=llm_pb2.ERROR_REASON_PROVIDER_UNREACHABLE,
    )
    tried = llm_pb2.RouteInfo(
        effective_privacy_mode=llm_pb2.PRIVACY_MODE_LOCAL_ONLY, attempts=[refused]
    )
    why = info("PROVIDER_UNREACHABLE", {"failoverBlocked": "privacy"})

    error = to_error(rpc_error(code, details(code, why, tried)), request_id=None)

    assert ["ollama"] == [attempt.provider for attempt in error.attempts]
    assert "privacy" == error.failover_blocked
    assert error.route is not None
    assert ("", Privacy.LOCAL_ONLY) == (error.route.provider, error.route.privacy)


@pytest.mark.parametrize(
    ("reason", "code", "kind"),
    [
        ("CONTENT_REJECTED", StatusCode.INVALID_ARGUMENT, InvalidRequestError),
        ("PROVIDER_NOT_FOUND", StatusCode.NOT_FOUND, NotFoundError),
        ("ROUTE_FORBIDDEN", StatusCode.FAILED_PRECONDITION, PreconditionError),
        ("PROVIDER_CREDENTIALS_REJECTED", StatusCode.FAILED_PRECONDITION, PreconditionError),
        ("PROVIDER_RATE_LIMITED", StatusCode.RESOURCE_EXHAUSTED, OverloadedError),
        ("PROVIDER_QUOTA_EXHAUSTED", StatusCode.RESOURCE_EXHAUSTED, OverloadedError),
        ("BREAKER_OPEN", StatusCode.UNAVAILABLE, UnavailableError),
        ("MODEL_LOADING", StatusCode.UNAVAILABLE, UnavailableError),
        ("MODEL_OUTPUT_INVALID", StatusCode.ABORTED, NonconformingError),
        ("PRIVACY_VIOLATION", StatusCode.INTERNAL, ServerError),
        ("ALL_TARGETS_FAILED", StatusCode.UNAVAILABLE, UnavailableError),
        ("NEWER_THAN_US", StatusCode.NOT_FOUND, NotFoundError),
    ],
)
def test_the_code_decides_the_class_and_the_reason_is_kept(
    reason: str, code: StatusCode, kind: type[LlmsvcError]
) -> None:
    error = to_error(rpc_error(code, details(code, info(reason))), request_id=None)

    assert (kind, reason) == (type(error), error.reason)


@pytest.mark.parametrize("code", [StatusCode.UNAVAILABLE, StatusCode.INTERNAL, StatusCode.UNKNOWN])
def test_any_failure_after_the_start_is_an_interruption(code: StatusCode) -> None:
    error = to_error(rpc_error(code), request_id=None, partial=SHOWN)

    assert isinstance(error, StreamInterruptedError)
    assert (code.name, "so far", False) == (error.code.value, error.partial, error.retryable)
    assert SHOWN.route == error.route


def test_a_deadline_after_the_start_stays_a_deadline() -> None:
    error = to_error(rpc_error(StatusCode.DEADLINE_EXCEEDED), request_id=None, partial=SHOWN)

    assert DeadlineExceededError is type(error)
    assert SHOWN.route == error.route


def broken_detail() -> status_pb2.Status:
    """Return a status whose ErrorInfo is no message, before one that is."""
    status = status_pb2.Status(code=StatusCode.UNAVAILABLE.value[0])
    type_url = "type.googleapis.com/google.rpc.ErrorInfo"
    status.details.append(any_pb2.Any(type_url=type_url, value=b"\xff\xff"))
    status.details.add().Pack(delay(1))
    status.details.append(any_pb2.Any(type_url="type.googleapis.com/no.such.Type", value=b"x"))
    return status


def test_a_broken_or_unknown_detail_spoils_no_other() -> None:
    found = ("grpc-status-details-bin", broken_detail().SerializeToString())

    error = to_error(rpc_error(StatusCode.UNAVAILABLE, found), request_id=None)

    assert ("", 1) == (error.reason, error.retry_after_s)


@pytest.mark.parametrize(
    "trailer",
    [
        ("grpc-status-details-bin", b"\xff\xff\xff"),
        ("grpc-status-details-bin", b""),
        ("grpc-status-details-bin", "text"),
        details(StatusCode.NOT_FOUND, info("MODEL_NOT_FOUND")),
        details(StatusCode.UNAVAILABLE, info("OVERLOADED", domain="proxy.example")),
    ],
    ids=["broken", "empty", "not bytes", "of another code", "of another domain"],
)
def test_details_that_are_no_good_leave_a_plain_error(trailer: tuple[str, str | bytes]) -> None:
    error = to_error(rpc_error(StatusCode.UNAVAILABLE, trailer), request_id="mine-1")

    assert UnavailableError is type(error)
    assert (Code.UNAVAILABLE, "", "mine-1", {}) == (
        error.code,
        error.reason,
        error.request_id,
        error.metadata,
    )
