"""A failure as google.rpc.Status: typed details, bounded in size."""

from collections.abc import Iterator

import grpc
from google.protobuf import any_pb2, duration_pb2, message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from llmsvc_server.rpc.callinfo import REQUEST_ID_KEY
from llmsvc_server.rpc.checks import MAX_VIOLATIONS
from llmsvc_server.rpc.status import RpcFailure
from llmsvc_server.rpc.to_proto import route_to_proto

DOMAIN = "llmsvc.v1"
STATUS_KEY = "grpc-status-details-bin"
PUSHBACK_KEY = "grpc-retry-pushback-ms"

MAX_STATUS_BYTES = 4096
"""A client of grpcio loses some statuses from 8 KiB on (contract.md 6.1, measured)."""

MAX_MESSAGE_BYTES = 256
MAX_DETAIL_BYTES = 64


def trailers(failure: RpcFailure, request_id: str) -> tuple[tuple[str, str | bytes], ...]:
    """Return the trailing metadata of a failed call, its rich status included."""
    status = to_status(failure, request_id)
    metadata: tuple[tuple[str, str | bytes], ...] = (
        (REQUEST_ID_KEY, request_id),
        (STATUS_KEY, status.SerializeToString()),
    )
    if failure.pushback_ms is None:
        return metadata
    return (*metadata, (PUSHBACK_KEY, str(failure.pushback_ms)))


def message_of(failure: RpcFailure) -> str:
    """Return the status message, at most 256 bytes."""
    return _cut(failure.message, MAX_MESSAGE_BYTES)


def status_code(failure: RpcFailure) -> grpc.StatusCode:
    """Return the gRPC status code."""
    return grpc.StatusCode[failure.code]


def to_status(failure: RpcFailure, request_id: str) -> status_pb2.Status:
    """Return the rich status, at most 4 KiB: violations are dropped from the end."""
    violations = min(len(failure.violations), MAX_VIOLATIONS)
    while True:
        status = status_pb2.Status(
            code=code_pb2.Code.Value(failure.code),
            message=message_of(failure),
            details=[_packed(one) for one in _details(failure, request_id, violations)],
        )
        if status.ByteSize() <= MAX_STATUS_BYTES or violations == 0:
            return status
        violations -= 1


def _details(failure: RpcFailure, request_id: str, violations: int) -> Iterator[message.Message]:
    yield error_details_pb2.ErrorInfo(
        reason=failure.reason,
        domain=DOMAIN,
        metadata={key: _cut(value) for key, value in failure.metadata.items()},
    )
    yield error_details_pb2.RequestInfo(request_id=request_id)
    if failure.retry_after_s is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(round(failure.retry_after_s * 1000))
        yield error_details_pb2.RetryInfo(retry_delay=delay)
    if violations:
        yield _bad_request(failure, violations)
    if failure.missing_model is not None:
        yield error_details_pb2.ResourceInfo(
            resource_type="model",
            resource_name=_cut(failure.missing_model),
            description="Not listed by any provider.",
        )
    if failure.precondition is not None:
        yield error_details_pb2.PreconditionFailure(
            violations=[
                error_details_pb2.PreconditionFailure.Violation(
                    type=failure.precondition,
                    subject=_cut(failure.metadata.get("provider", "")),
                )
            ]
        )
    if failure.route is not None:
        yield route_to_proto(failure.route)


def _bad_request(failure: RpcFailure, count: int) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field=_cut(one.field), reason=one.reason.value, description=_cut(one.description)
            )
            for one in failure.violations[:count]
        ]
    )


def _packed(detail: message.Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


def _cut(text: str, most_bytes: int = MAX_DETAIL_BYTES) -> str:
    encoded = text.encode()
    if len(encoded) <= most_bytes:
        return text
    return encoded[:most_bytes].decode(errors="ignore")
