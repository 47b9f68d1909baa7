"""A failure as google.rpc.Status: typed details, bounded in size."""

from collections.abc import Iterator
from dataclasses import replace

import grpc
from google.protobuf import any_pb2, duration_pb2, message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.route import Trail
from llmsvc_server.rpc.callinfo import REQUEST_ID_KEY
from llmsvc_server.rpc.checks import MAX_VIOLATIONS
from llmsvc_server.rpc.headers import ROUTE_KEY, compact_route, without_middle
from llmsvc_server.rpc.status import RpcFailure
from llmsvc_server.rpc.to_proto import fill_route, fill_usage

DOMAIN = "llmsvc.v1"
STATUS_KEY = "grpc-status-details-bin"
PUSHBACK_KEY = "grpc-retry-pushback-ms"

MAX_STATUS_BYTES = 4096
"""A client of grpcio loses some statuses from 8 KiB on (docs/contract.md 4)."""

MAX_MESSAGE_BYTES = 256
MAX_DETAIL_BYTES = 64
MISSING = {"model": "Not listed by any provider.", "provider": "Not configured."}


def trailers(failure: RpcFailure, request_id: str) -> tuple[tuple[str, str | bytes], ...]:
    """Return the trailing metadata of a failed call, its rich status included."""
    status = to_status(failure, request_id)
    metadata: tuple[tuple[str, str | bytes], ...] = (
        (REQUEST_ID_KEY, request_id),
        (STATUS_KEY, status.SerializeToString()),
    )
    if failure.trail is not None and failure.trail.attempts:
        metadata = (*metadata, (ROUTE_KEY, compact_route(failure.trail)))
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
    """Return the rich status, at most 4 KiB.

    Attempts are dropped from the middle, then violations from the end.
    """
    violations = min(len(failure.violations), MAX_VIOLATIONS)
    attempts = failure.attempts
    while True:
        status = status_pb2.Status(
            code=code_pb2.Code.Value(failure.code),
            message=message_of(failure),
            details=[_pack(one) for one in _details(failure, request_id, attempts, violations)],
        )
        if status.ByteSize() <= MAX_STATUS_BYTES or attempts == violations == 0:
            return status
        if attempts:
            attempts -= 1
        else:
            violations -= 1


def _details(
    failure: RpcFailure, request_id: str, attempts: int, violations: int
) -> Iterator[message.Message]:
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
    if failure.missing is not None:
        kind, name = failure.missing
        yield error_details_pb2.ResourceInfo(
            resource_type=kind, resource_name=_cut(name), description=MISSING[kind]
        )
    if failure.precondition is not None:
        yield error_details_pb2.PreconditionFailure(
            violations=[
                error_details_pb2.PreconditionFailure.Violation(
                    type=failure.precondition,
                    subject=_cut(failure.metadata.get("provider", "")),
                    description=_cut(failure.unmet),
                )
            ]
        )
    if failure.quota_of is not None:
        yield error_details_pb2.QuotaFailure(
            violations=[
                error_details_pb2.QuotaFailure.Violation(
                    subject=_cut(failure.quota_of), description="No money or quota left."
                )
            ]
        )
    if failure.trail is not None:
        info = llm_pb2.RouteInfo()
        fill_route(info, _shorten(failure.trail, attempts), failure.route)
        yield info
    if failure.usage is not None:
        counted = llm_pb2.Usage()
        fill_usage(counted, failure.usage)
        yield counted


def _shorten(trail: Trail, attempts: int) -> Trail:
    return replace(trail, attempts=without_middle(trail.attempts, attempts))


def _bad_request(failure: RpcFailure, count: int) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field=_cut(one.field), reason=one.reason.value, description=_cut(one.description)
            )
            for one in failure.violations[:count]
        ]
    )


def _pack(detail: message.Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


def _cut(text: str, max_bytes: int = MAX_DETAIL_BYTES) -> str:
    encoded = text.encode()
    if len(encoded) <= max_bytes:
        return text
    return encoded[:max_bytes].decode(errors="ignore")
