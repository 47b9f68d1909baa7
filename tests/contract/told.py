"""What a caller is told when a call fails, decoded as a client would."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from llmsvc.v1 import llm_pb2

_Detail = TypeVar("_Detail", bound=Message)
DETAILS: tuple[type[Message], ...] = (
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A status with its details and trailers; without details, `reason` is empty.

    `code` is the status code's name, `pushback_ms` None where none was sent, `route` the compact
    one of the trailers, empty where nothing was tried.
    """

    code: str
    message: str
    reason: str
    metadata: Mapping[str, str]
    request_id: str
    pushback_ms: int | None
    route: str
    details: tuple[Message, ...]

    def detail(self, kind: type[_Detail]) -> _Detail:
        """Return the detail of a type; StopIteration if it is not there."""
        return next(one for one in self.details if isinstance(one, kind))


def told(error: grpc.RpcError) -> Told:
    """Return what a failed call says, of the blocking client or of the other."""
    call = cast("grpc.Call", error)
    trailers = dict(call.trailing_metadata() or ())
    status = rpc_status.from_call(call)
    kinds = {str(kind.DESCRIPTOR.full_name): kind for kind in DETAILS}
    details = tuple(
        kinds[one.TypeName()].FromString(one.value) for one in (status.details if status else ())
    )
    info = next((one for one in details if isinstance(one, error_details_pb2.ErrorInfo)), None)
    pushback = trailers.get("grpc-retry-pushback-ms")
    return Told(
        code=call.code().name,
        message=call.details() or "",
        reason=info.reason if info else "",
        metadata=dict(info.metadata) if info else {},
        request_id=str(trailers.get("x-request-id", "")),
        pushback_ms=None if pushback is None else int(pushback),
        route=str(trailers.get("x-llmsvc-route", "")),
        details=details,
    )
