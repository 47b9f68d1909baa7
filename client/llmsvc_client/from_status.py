"""gRPC's exception to ours, reading rich details. Missing, broken and unknown ones are borne."""

from dataclasses import dataclass
from typing import Final, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from llmsvc.v1 import llm_pb2
from llmsvc_client.answers import Route
from llmsvc_client.convert import to_route, to_seconds, to_usage
from llmsvc_client.core_words import explain_status
from llmsvc_client.errors import (
    AccessDeniedError,
    Code,
    DeadlineExceededError,
    Failure,
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

_DOMAIN: Final = "llmsvc.v1"
_DETAILS_KEY: Final = "grpc-status-details-bin"  # gRPC's name for a serialized google.rpc.Status
_REQUEST_ID_KEY: Final = "x-request-id"
_INTERRUPTED: Final = "STREAM_INTERRUPTED"
_OUTPUT_INVALID: Final = "MODEL_OUTPUT_INVALID"

_PLAIN: Final[dict[Code, type[LlmsvcError]]] = {
    Code.UNAUTHENTICATED: AccessDeniedError,
    Code.PERMISSION_DENIED: AccessDeniedError,
    Code.FAILED_PRECONDITION: PreconditionError,
    Code.RESOURCE_EXHAUSTED: OverloadedError,
    Code.UNAVAILABLE: UnavailableError,
    Code.DEADLINE_EXCEEDED: DeadlineExceededError,
}

_DetailT = TypeVar("_DetailT", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialAnswer:
    """What a stream had delivered when it failed: its text, and who was answering if known."""

    text: str
    route: Route | None


def to_error(
    error: grpc.aio.AioRpcError,
    *,
    request_id: str | None,
    timeout_s: float | None = None,
    partial: PartialAnswer | None = None,
) -> LlmsvcError:
    """Return the typed error for a failed call.

    Args:
        error: What gRPC raised.
        request_id: The id that the caller chose, for failures that bring none themselves.
        timeout_s: Time that the call had in seconds. None: none was set.
        partial: What was delivered. None: the answer had not begun, so nothing can be interrupted.
    """
    status = _status(error)
    failure = _failure(error, status, request_id or "", timeout_s, partial)
    if failure.reason in {_INTERRUPTED, _OUTPUT_INVALID} or (
        partial is not None and failure.code is not Code.DEADLINE_EXCEEDED
    ):
        return _to_interrupted(failure, status, partial or PartialAnswer(text="", route=None))
    match failure.code:
        case Code.INVALID_ARGUMENT | Code.OUT_OF_RANGE:
            bad = _find(status, error_details_pb2.BadRequest) or error_details_pb2.BadRequest()
            found = [Violation(v.field, v.reason, v.description) for v in bad.field_violations]
            return InvalidRequestError(failure, violations=found)
        case Code.NOT_FOUND:
            what = _find(status, error_details_pb2.ResourceInfo) or error_details_pb2.ResourceInfo()
            return NotFoundError(
                failure, resource_type=what.resource_type, resource_name=what.resource_name
            )
        case code:
            return _PLAIN.get(code, ServerError)(failure)


def cut_stream_error(partial: PartialAnswer, *, request_id: str) -> StreamInterruptedError:
    """Return the error for a stream that ended with OK and without its final event."""
    failure = Failure(
        code=Code.ABORTED,
        message="The answer was cut off: the stream ended without its final event.",
        reason=_INTERRUPTED,
        request_id=request_id,
        route=partial.route,
    )
    return StreamInterruptedError(failure, partial=partial.text)


def closed_client_error() -> LlmsvcError:
    """Return the error for a call that ran while its client was closed."""
    return LlmsvcError(
        Failure(code=Code.CANCELLED, message="The client was closed while the call ran.")
    )


def _to_interrupted(
    failure: Failure, status: status_pb2.Status, partial: PartialAnswer
) -> NonconformingError | StreamInterruptedError:
    """Return the error for an answer that was there in part, or was judged to be of no use."""
    usage = _find(status, llm_pb2.Usage)
    kind = NonconformingError if failure.reason == _OUTPUT_INVALID else StreamInterruptedError
    return kind(
        failure,
        partial=partial.text,
        usage=None if usage is None else to_usage(usage),
    )


def _failure(
    error: grpc.aio.AioRpcError,
    status: status_pb2.Status,
    request_id: str,
    timeout_s: float | None,
    partial: PartialAnswer | None,
) -> Failure:
    info = _find(status, error_details_pb2.ErrorInfo)
    if info is None or info.domain != _DOMAIN:
        info = error_details_pb2.ErrorInfo()
    request = _find(status, error_details_pb2.RequestInfo) or error_details_pb2.RequestInfo()
    retry = _find(status, error_details_pb2.RetryInfo)
    code, text = _code(error), error.details() or ""
    return Failure(
        code=code,
        message=text if text and info.reason else explain_status(code, text, timeout_s),
        reason=info.reason,
        request_id=request.request_id or _request_id(error) or request_id,
        retry_after_s=None if retry is None else to_seconds(retry.retry_delay),
        metadata=dict(info.metadata),
        route=_route(status, partial),
    )


def _code(error: grpc.aio.AioRpcError) -> Code:
    """Return the status; UNAVAILABLE for a CANCELLED, which a cancel of ours never comes as.

    gRPC's core cancels the calls that a server has not looked at when it stops (grpc/grpc#41785).
    """
    code = Code[error.code().name]
    return Code.UNAVAILABLE if code is Code.CANCELLED else code


def _route(status: status_pb2.Status, partial: PartialAnswer | None) -> Route | None:
    route = _find(status, llm_pb2.RouteInfo)
    if route is not None:
        return to_route(route)
    return None if partial is None else partial.route


def _status(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """Return the rich status; an empty one if it is missing, broken or that of another code."""
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                status = status_pb2.Status.FromString(value)
            except DecodeError:
                break
            if status.code == error.code().value[0]:
                return status
    return status_pb2.Status()


def _find(status: status_pb2.Status, kind: type[_DetailT]) -> _DetailT | None:
    for detail in status.details:
        found = kind()
        try:
            if detail.Unpack(found):
                return found
        except DecodeError:
            continue
    return None


def _request_id(error: grpc.aio.AioRpcError) -> str:
    found = (value for key, value in error.trailing_metadata() or () if key == _REQUEST_ID_KEY)
    return str(next(found, ""))
