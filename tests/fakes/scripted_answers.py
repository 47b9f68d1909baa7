"""What a scripted service can be told to say: events, whole answers, failures."""

from collections.abc import Mapping
from dataclasses import dataclass

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from llmsvc.v1 import llm_pb2


@dataclass(frozen=True, slots=True)
class Failing:
    """A step that ends the call with a status, and with nothing but it if there are no trailers.

    Attributes:
        code: The status.
        message: Its text.
        trailers: What goes with it.
    """

    code: grpc.StatusCode
    message: str = "It failed."
    trailers: tuple[tuple[str, str | bytes], ...] = ()


def rich(
    code: grpc.StatusCode,
    reason: str,
    *details: Message,
    metadata: Mapping[str, str] | None = None,
    pushback_ms: int | None = None,
) -> Failing:
    """Return a failure as an llmsvc server forms it, with request id "req-1".

    Never 0 for `pushback_ms`: grpcio clients hang.
    """
    info = error_details_pb2.ErrorInfo(reason=reason, domain="llmsvc.v1", metadata=metadata)
    status = status_pb2.Status(code=code.value[0], message=f"A sentence about {reason}.")
    for detail in (info, error_details_pb2.RequestInfo(request_id="req-1"), *details):
        status.details.add().Pack(detail)
    trailers: list[tuple[str, str | bytes]] = [
        ("grpc-status-details-bin", status.SerializeToString())
    ]
    if pushback_ms is not None:
        trailers.append(("grpc-retry-pushback-ms", str(pushback_ms)))
    return Failing(code, status.message, tuple(trailers))


def route(
    provider: str = "ollama",
    kind: llm_pb2.ProviderKind.ValueType = llm_pb2.PROVIDER_KIND_OLLAMA,
    *attempts: llm_pb2.RouteAttempt,
    locality: llm_pb2.Locality.ValueType = llm_pb2.LOCALITY_LOCAL,
) -> llm_pb2.RouteInfo:
    """Return a route to phi3:mini, a local one unless told otherwise."""
    return llm_pb2.RouteInfo(
        provider=provider,
        provider_kind=kind,
        model="phi3:mini",
        locality=locality,
        effective_privacy_mode=llm_pb2.PRIVACY_MODE_CLOUD_ALLOWED,
        attempts=attempts,
    )


def attempt(  # noqa: PLR0913  one per field
    provider: str,
    reason: str = "",
    *,
    code: int = 0,
    milliseconds: int | None = None,
    content_sent: bool = False,
    locality: llm_pb2.Locality.ValueType = llm_pb2.LOCALITY_LOCAL,
) -> llm_pb2.RouteAttempt:
    """Return an attempt at phi3:mini; a success without `reason`, skipped without `milliseconds`."""
    found = llm_pb2.RouteAttempt(
        target=llm_pb2.RouteTarget(provider=provider, model="phi3:mini"),
        locality=locality,
        status_code=code,
        reason=llm_pb2.ErrorReason.Value(f"ERROR_REASON_{reason or 'UNSPECIFIED'}"),
        content_sent=content_sent,
    )
    if milliseconds is not None:
        found.elapsed_duration.FromMilliseconds(milliseconds)
    return found


def progress(
    phase: llm_pb2.StreamProgress.Phase.ValueType, seconds: int, provider: str = ""
) -> llm_pb2.ChatStreamResponse:
    """Return a sign of life; without a target if no provider is named."""
    event = llm_pb2.StreamProgress(phase=phase)
    event.elapsed_duration.FromSeconds(seconds)
    if provider:
        event.target.provider = provider
        event.target.model = "phi3:mini"
    return llm_pb2.ChatStreamResponse(progress=event)


def started(route_info: llm_pb2.RouteInfo | None = None) -> llm_pb2.ChatStreamResponse:
    """Return the first event of a stream."""
    return llm_pb2.ChatStreamResponse(
        started=llm_pb2.StreamStarted(request_id="req-1", route=route_info or route())
    )


def piece(text: str) -> llm_pb2.ChatStreamResponse:
    """Return an event with text."""
    return llm_pb2.ChatStreamResponse(delta=llm_pb2.PartDelta(text=text))


def response(
    text: str = "", *adjustments: llm_pb2.Adjustment, route_info: llm_pb2.RouteInfo | None = None
) -> llm_pb2.ChatResponse:
    """Return a whole answer; without a message if it has no text, as at the end of a stream."""
    answer = llm_pb2.ChatResponse(
        request_id="req-1",
        finish_reason=llm_pb2.FINISH_REASON_STOP,
        usage=llm_pb2.Usage(input_tokens=12, output_tokens=34, total_tokens=46),
        route=route_info or route(),
        adjustments=adjustments,
    )
    if text:
        answer.message.role = llm_pb2.ROLE_ASSISTANT
        answer.message.parts.add().text = text
    return answer


def completed(
    *adjustments: llm_pb2.Adjustment, route_info: llm_pb2.RouteInfo | None = None
) -> llm_pb2.ChatStreamResponse:
    """Return the last event of a stream."""
    return llm_pb2.ChatStreamResponse(completed=response("", *adjustments, route_info=route_info))
