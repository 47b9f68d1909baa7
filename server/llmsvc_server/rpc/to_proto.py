"""From our values to messages. Total: every value has a message."""

from typing import TypeGuard

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.events import Done
from llmsvc_server.chat.route import Locality, ProviderKind, Route
from llmsvc_server.chat.usage import FinishReason, Usage

MAX_INT32 = 2**31 - 1
FINISH_REASONS = {
    FinishReason.STOP: llm_pb2.FINISH_REASON_STOP,
    FinishReason.STOP_SEQUENCE: llm_pb2.FINISH_REASON_STOP_SEQUENCE,
    FinishReason.MAX_TOKENS: llm_pb2.FINISH_REASON_MAX_TOKENS,
    FinishReason.CONTEXT_LENGTH: llm_pb2.FINISH_REASON_CONTEXT_LENGTH,
    FinishReason.OTHER: llm_pb2.FINISH_REASON_OTHER,
}
PROVIDER_KINDS = {
    ProviderKind.OLLAMA: llm_pb2.PROVIDER_KIND_OLLAMA,
    ProviderKind.MOCK: llm_pb2.PROVIDER_KIND_MOCK,
}
LOCALITIES = {
    Locality.LOCAL: llm_pb2.LOCALITY_LOCAL,
    Locality.REMOTE: llm_pb2.LOCALITY_REMOTE,
}
ACTIONS = {
    Action.IGNORED: llm_pb2.Adjustment.ACTION_IGNORED,
    Action.CLAMPED: llm_pb2.Adjustment.ACTION_CLAMPED,
}


def response_to_proto(
    done: Done, route: Route, request_id: str, text: str | None
) -> llm_pb2.ChatResponse:
    """Return a whole answer.

    Args:
        done: How the answer ended.
        route: Who gave it.
        request_id: Id of the call.
        text: The answer; None leaves the message unset, an empty one has one empty part.
    """
    response = llm_pb2.ChatResponse(
        request_id=request_id,
        finish_reason=FINISH_REASONS[done.finish_reason],
        stop_sequence=done.stop_sequence,
        provider_finish_reason=done.provider_finish_reason,
        usage=_usage_to_proto(done.usage),
        route=route_to_proto(route),
    )
    if text is not None:
        response.message.role = llm_pb2.ROLE_ASSISTANT
        response.message.parts.add().text = text
    if done.adjustments:
        response.adjustments.extend(_adjustment_to_proto(one) for one in done.adjustments)
    return response


def route_to_proto(route: Route) -> llm_pb2.RouteInfo:
    """Return who answered."""
    return llm_pb2.RouteInfo(
        provider=route.provider.name,
        provider_kind=PROVIDER_KINDS[route.provider.kind],
        model=route.model,
        requested_model=route.requested_model,
        locality=LOCALITIES[route.provider.locality],
    )


def _usage_to_proto(usage: Usage) -> llm_pb2.Usage:
    counted = llm_pb2.Usage()
    if _countable(usage.input_tokens):
        counted.input_tokens = usage.input_tokens
        counted.input_method = llm_pb2.TOKEN_COUNT_METHOD_REPORTED
    if _countable(usage.output_tokens):
        counted.output_tokens = usage.output_tokens
        counted.output_method = llm_pb2.TOKEN_COUNT_METHOD_REPORTED
    if counted.HasField("input_tokens") and counted.HasField("output_tokens"):
        total = counted.input_tokens + counted.output_tokens
        if _countable(total):
            counted.total_tokens = total
    return counted


def _countable(tokens: int | None) -> TypeGuard[int]:
    """Return whether a count is one; an upstream's nonsense is unknown, not a lost answer."""
    return tokens is not None and 0 <= tokens <= MAX_INT32


def _adjustment_to_proto(adjustment: Adjustment) -> llm_pb2.Adjustment:
    return llm_pb2.Adjustment(
        field=adjustment.field,
        action=ACTIONS[adjustment.action],
        description=adjustment.description,
    )
