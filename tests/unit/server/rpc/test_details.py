from collections.abc import Iterable

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.chat.route import Attempt
from llmsvc_server.chat.usage import Usage
from llmsvc_server.errors import (
    InvalidRequest,
    LlmsvcError,
    Overloaded,
    ProviderError,
    ProviderNotFound,
    ShuttingDown,
    StreamInterrupted,
    Violation,
    ViolationReason,
)
from llmsvc_server.failures import ErrorKind, InterruptCause
from llmsvc_server.rpc.details import message_of, status_code, to_status, trailers
from llmsvc_server.rpc.status import RpcFailure, to_failure
from tests.fakes.receipts import receipt_of
from tests.unit.server.rpc.failures import (
    FAILED,
    LONG_MODEL,
    LONG_NAME,
    answered,
    attempt,
    every_failure,
    failed,
)

TYPES = (
    error_details_pb2.ErrorInfo,
    error_details_pb2.RequestInfo,
    error_details_pb2.RetryInfo,
    error_details_pb2.BadRequest,
    error_details_pb2.ResourceInfo,
    error_details_pb2.PreconditionFailure,
    error_details_pb2.QuotaFailure,
    llm_pb2.RouteInfo,
    llm_pb2.Usage,
)
ALWAYS = ["ErrorInfo", "RequestInfo"]
REQUEST_ID = "r" * 64


def unpacked(status: status_pb2.Status) -> list[Message]:
    """Return the details of a status."""
    kinds = {str(kind.DESCRIPTOR.full_name): kind for kind in TYPES}
    return [kinds[one.TypeName()].FromString(one.value) for one in status.details]


def details_of(error: BaseException, receipt: Receipt | None = None) -> dict[str, Message]:
    """Return the details of a failure's status by type, each of which stands there once."""
    details = unpacked(to_status(to_failure(error, receipt), REQUEST_ID))
    named = {str(one.DESCRIPTOR.name): one for one in details}
    assert len(named) == len(details)
    return named


def bad_request_of(details: Iterable[Message]) -> error_details_pb2.BadRequest:
    """Return the one BadRequest among details."""
    return next(one for one in details if isinstance(one, error_details_pb2.BadRequest))


@pytest.mark.parametrize("error", every_failure(), ids=repr)
def test_every_status_is_small_and_says_the_same_as_the_call(error: LlmsvcError) -> None:
    receipt = receipt_of(*[FAILED] * 20, requested_model=LONG_MODEL)
    failure = to_failure(error, receipt)
    status = to_status(failure, REQUEST_ID)

    assert status.ByteSize() <= 4096
    assert len(status.message.encode()) <= 256
    assert status.message == message_of(failure)
    assert status.code == status_code(failure).value[0]
    assert ALWAYS == list(details_of(error, receipt))[:2]


@pytest.mark.parametrize(
    ("error", "more"),
    [
        (ShuttingDown(), ["RetryInfo"]),
        (Overloaded(1), ["RetryInfo"]),
        (ProviderError(ErrorKind.TRANSIENT), ["RetryInfo"]),
        (InvalidRequest([Violation("model", ViolationReason.MISSING, "set it")]), ["BadRequest"]),
        (ProviderError(ErrorKind.MODEL_MISSING, model="no-such"), ["ResourceInfo"]),
        (failed(ErrorKind.CAPABILITY), ["PreconditionFailure"]),
        (failed(ErrorKind.REMOTE_REFUSED), ["PreconditionFailure"]),
        (failed(ErrorKind.QUOTA), ["QuotaFailure"]),
        (ProviderNotFound("no-such"), ["ResourceInfo"]),
        (ValueError("secret"), []),
    ],
)
def test_each_failure_brings_its_own_details(error: Exception, more: list[str]) -> None:
    assert [*ALWAYS, *more] == list(details_of(error))


@pytest.mark.parametrize(
    ("error", "receipt", "more"),
    [
        (ProviderError(ErrorKind.TRANSIENT), receipt_of(FAILED), ["RetryInfo", "RouteInfo"]),
        (StreamInterrupted(InterruptCause.DRAIN), answered(), ["RouteInfo"]),
        (
            StreamInterrupted(InterruptCause.DRAIN, usage=Usage(output_tokens=1)),
            answered(),
            ["RouteInfo", "Usage"],
        ),
    ],
)
def test_what_was_tried_is_a_detail(error: Exception, receipt: Receipt, more: list[str]) -> None:
    assert [*ALWAYS, *more] == list(details_of(error, receipt))


def test_the_details_hold_what_the_failure_holds() -> None:
    details = details_of(failed(ErrorKind.TRANSIENT, retry_after_s=1.2345))
    info = error_details_pb2.ErrorInfo(
        reason="PROVIDER_ERROR",
        domain="llmsvc.v1",
        metadata={
            "provider": LONG_NAME,
            "phase": "first_token",
            "cause": "c" * 64,
            "param": "p" * 64,
        },
    )

    assert info == details["ErrorInfo"]
    assert error_details_pb2.RequestInfo(request_id=REQUEST_ID) == details["RequestInfo"]
    assert 1_234_000_000 == _nanoseconds(details["RetryInfo"])


def test_violations_are_told_with_path_reason_and_remedy() -> None:
    wrong = Violation("messages[0].role", ViolationReason.UNKNOWN, "use a known one")
    expected = error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field="messages[0].role", reason="UNKNOWN", description="use a known one"
            )
        ]
    )

    assert expected == details_of(InvalidRequest([wrong]))["BadRequest"]


def test_sixteen_violations_with_the_longest_texts_fit() -> None:
    long = Violation("f" * 99, ViolationReason.OUT_OF_RANGE, "\N{SNOWMAN}" * 99)
    told = bad_request_of(details_of(InvalidRequest([long] * 16)).values()).field_violations

    assert 16 == len(told)
    assert {"f" * 64} == {one.field for one in told}
    assert {"\N{SNOWMAN}" * 21} == {one.description for one in told}


def test_violations_are_dropped_from_the_end_where_the_rest_is_large() -> None:
    violations = tuple(
        Violation(f"{index:02}" + "f" * 62, ViolationReason.OUT_OF_RANGE, "d" * 64)
        for index in range(16)
    )
    failure = RpcFailure(
        code="INVALID_ARGUMENT",
        reason="INVALID_REQUEST",
        message="m" * 300,
        metadata={f"{index:032}": "v" * 99 for index in range(12)},
        violations=violations,
    )
    status = to_status(failure, REQUEST_ID)
    fields = [one.field[:2] for one in bad_request_of(unpacked(status)).field_violations]

    assert status.ByteSize() <= 4096
    assert 0 < len(fields) < 16
    assert [f"{index:02}" for index in range(len(fields))] == fields


def route_of(status: status_pb2.Status) -> llm_pb2.RouteInfo:
    """Return the one RouteInfo of a status."""
    return next(one for one in unpacked(status) if isinstance(one, llm_pb2.RouteInfo))


def numbered(attempts: int, name_bytes: int) -> list[Attempt]:
    """Return attempts whose models begin with their numbers."""
    return [
        attempt("UNAVAILABLE", "PROVIDER_ERROR", model=f"{index:02}".ljust(name_bytes, "m"))
        for index in range(attempts)
    ]


def test_eight_attempts_with_ordinary_names_fit() -> None:
    failure = to_failure(ProviderError(ErrorKind.TRANSIENT), receipt_of(*numbered(8, 20)))

    assert 8 == len(route_of(to_status(failure, REQUEST_ID)).attempts)


def test_attempts_are_dropped_from_the_middle_where_names_are_long() -> None:
    failure = to_failure(ProviderError(ErrorKind.TRANSIENT), receipt_of(*numbered(40, 256)))
    status = to_status(failure, REQUEST_ID)
    told = [int(one.target.model[:2]) for one in route_of(status).attempts]
    first = told[: (len(told) + 1) // 2]

    assert status.ByteSize() <= 4096
    assert len(told) > 4
    assert list(range(len(first))) == first
    assert list(range(40 - len(told) + len(first), 40)) == told[len(first) :]


def test_the_details_say_who_had_begun_to_answer_and_what_was_used() -> None:
    usage = Usage(output_tokens=12, output_estimated=True)
    details = details_of(StreamInterrupted(InterruptCause.DRAIN, usage=usage), answered())
    route, counted = details["RouteInfo"], details["Usage"]
    assert isinstance(route, llm_pb2.RouteInfo)
    expected = llm_pb2.Usage(output_tokens=12, output_method=llm_pb2.TOKEN_COUNT_METHOD_ESTIMATED)

    assert (LONG_NAME, LONG_MODEL, LONG_MODEL) == (
        route.provider,
        route.model,
        route.requested_model,
    )
    assert [14, 14, 10] == [one.status_code for one in route.attempts]
    assert llm_pb2.ERROR_REASON_STREAM_INTERRUPTED == route.attempts[-1].reason
    assert expected == counted


def test_whose_quota_and_whose_name_is_missing_is_told() -> None:
    details = {
        **details_of(failed(ErrorKind.QUOTA)),
        **details_of(ProviderNotFound("no-such")),
    }
    quota, resource = details["QuotaFailure"], details["ResourceInfo"]
    assert isinstance(quota, error_details_pb2.QuotaFailure)
    assert isinstance(resource, error_details_pb2.ResourceInfo)

    assert [LONG_NAME] == [one.subject for one in quota.violations]
    assert ("provider", "no-such") == (resource.resource_type, resource.resource_name)


@pytest.mark.parametrize("length", range(250, 260))
def test_a_message_is_cut_between_characters(length: int) -> None:
    failure = RpcFailure(
        code="INTERNAL", reason="INTERNAL_ERROR", message="x" * length + "\N{SNOWMAN}" * 9
    )

    assert len(message_of(failure).encode()) in range(254, 257)
    assert message_of(failure) == failure.message[: len(message_of(failure))]


def test_the_trailers_hold_the_status_the_request_id_and_the_pushback() -> None:
    failure = to_failure(ShuttingDown())
    metadata = dict(trailers(failure, "req-1"))
    status = status_pb2.Status.FromString(bytes(metadata.pop("grpc-status-details-bin")))  # type: ignore[arg-type]

    assert {"x-request-id": "req-1", "grpc-retry-pushback-ms": "100"} == metadata
    assert to_status(failure, "req-1") == status


def test_the_trailers_hold_what_was_tried() -> None:
    tried = attempt("UNAVAILABLE", "PROVIDER_ERROR", model="m", elapsed_s=2)
    failure = to_failure(ProviderError(ErrorKind.TRANSIENT), receipt_of(tried))
    metadata = dict(trailers(failure, "req-1"))

    assert f"{LONG_NAME}/m;PROVIDER_ERROR;2000" == metadata["x-llmsvc-route"]


def test_where_nothing_was_tried_there_is_no_such_trailer() -> None:
    failure = to_failure(ProviderError(ErrorKind.MODEL_MISSING), receipt_of())

    assert "x-llmsvc-route" not in dict(trailers(failure, "req-1"))


def test_without_advice_no_pushback_is_sent() -> None:
    assert "grpc-retry-pushback-ms" not in dict(trailers(to_failure(Overloaded(1)), "req-1"))


@pytest.mark.parametrize("error", every_failure(), ids=repr)
def test_no_text_of_an_exception_reaches_the_caller(error: LlmsvcError) -> None:
    error.args = ("secret",)
    error.add_note("secret")
    error.__cause__ = ValueError("secret")
    error.__context__ = KeyError("secret")
    failure = to_failure(error)
    sent = b"".join(
        value if isinstance(value, bytes) else value.encode()
        for _, value in trailers(failure, "req-1")
    )

    assert b"secret" not in sent
    assert "secret" not in message_of(failure)


def test_codes_are_those_of_grpc() -> None:
    assert {status_code(to_failure(error)) for error in every_failure()} <= set(grpc.StatusCode)


def _nanoseconds(detail: Message) -> int:
    assert isinstance(detail, error_details_pb2.RetryInfo)
    return detail.retry_delay.ToNanoseconds()
