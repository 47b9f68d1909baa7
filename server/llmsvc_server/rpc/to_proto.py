"""From our values to messages. Total: every value has a message."""

from typing import TypeGuard

from google.protobuf import duration_pb2
from google.rpc import code_pb2

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.events import Done, Timings
from llmsvc_server.chat.route import Attempt, Locality, Privacy, ProviderKind, Route, Trail
from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.chat.value import value

MAX_INT32 = 2**31 - 1
LONGEST_S = 1e9
"""No answer takes thirty years; an upstream's nonsense is unknown, not a lost answer."""

REASON_PREFIX = "ERROR_REASON_"
FINISH_REASONS = {
    FinishReason.STOP: llm_pb2.FINISH_REASON_STOP,
    FinishReason.STOP_SEQUENCE: llm_pb2.FINISH_REASON_STOP_SEQUENCE,
    FinishReason.MAX_TOKENS: llm_pb2.FINISH_REASON_MAX_TOKENS,
    FinishReason.CONTEXT_LENGTH: llm_pb2.FINISH_REASON_CONTEXT_LENGTH,
    FinishReason.CONTENT_FILTER: llm_pb2.FINISH_REASON_CONTENT_FILTER,
    FinishReason.REFUSAL: llm_pb2.FINISH_REASON_REFUSAL,
    FinishReason.OTHER: llm_pb2.FINISH_REASON_OTHER,
}
PROVIDER_KINDS = {
    ProviderKind.OLLAMA: llm_pb2.PROVIDER_KIND_OLLAMA,
    ProviderKind.OPENAI: llm_pb2.PROVIDER_KIND_OPENAI,
    ProviderKind.ANTHROPIC: llm_pb2.PROVIDER_KIND_ANTHROPIC,
    ProviderKind.MOCK: llm_pb2.PROVIDER_KIND_MOCK,
}
LOCALITIES = {
    Locality.LOCAL: llm_pb2.LOCALITY_LOCAL,
    Locality.REMOTE: llm_pb2.LOCALITY_REMOTE,
}
PRIVACY_MODES = {
    Privacy.LOCAL_ONLY: llm_pb2.PRIVACY_MODE_LOCAL_ONLY,
    Privacy.CLOUD_ALLOWED: llm_pb2.PRIVACY_MODE_CLOUD_ALLOWED,
}
ACTIONS = {
    Action.IGNORED: llm_pb2.Adjustment.ACTION_IGNORED,
    Action.CLAMPED: llm_pb2.Adjustment.ACTION_CLAMPED,
}


@value
class Clocked:
    """What the server itself measured of an answer, in seconds from the request's arrival.

    `first_content_s` is None where there was none, or where nobody saw it come.
    """

    total_s: float
    first_content_s: float | None


def response_to_proto(
    done: Done, route: Route, request_id: str, text: str | None, clocked: Clocked
) -> llm_pb2.ChatResponse:
    """Return a whole answer.

    Args:
        done: How the answer ended.
        route: Who gave it.
        request_id: Id of the call.
        text: The answer; None leaves the message unset, an empty one has one empty part.
        clocked: How long it took.
    """
    response = llm_pb2.ChatResponse(
        request_id=request_id,
        finish_reason=FINISH_REASONS[done.finish_reason],
        stop_sequence=done.stop_sequence,
        provider_finish_reason=done.provider_finish_reason,
        provider_response_id=done.provider_response_id,
        usage=usage_to_proto(done.usage),
        route=route_to_proto(route),
        timings=_timings_to_proto(done.timings, clocked),
    )
    if text is not None:
        response.message.role = llm_pb2.ROLE_ASSISTANT
        response.message.parts.add().text = text
    if done.adjustments:
        response.adjustments.extend(_adjustment_to_proto(one) for one in done.adjustments)
    return response


def route_to_proto(route: Route) -> llm_pb2.RouteInfo:
    """Return who answered, and what was tried before."""
    return trail_to_proto(route.trail, route)


def trail_to_proto(trail: Trail, route: Route | None) -> llm_pb2.RouteInfo:
    """Return what was tried, and who answered if `route` says so."""
    info = llm_pb2.RouteInfo(
        requested_model=trail.requested_model,
        effective_privacy_mode=PRIVACY_MODES[trail.privacy],
        attempts=[_attempt_to_proto(one) for one in trail.attempts],
    )
    if route is not None:
        info.provider, info.model = route.provider.name, route.model
        info.provider_kind = PROVIDER_KINDS[route.provider.kind]
        info.locality = LOCALITIES[route.provider.locality]
    return info


def usage_to_proto(usage: Usage) -> llm_pb2.Usage:
    """Return the counts that are known."""
    counted = llm_pb2.Usage()
    if _countable(usage.input_tokens):
        counted.input_tokens = usage.input_tokens
        counted.input_method = llm_pb2.TOKEN_COUNT_METHOD_REPORTED
    if _countable(usage.output_tokens):
        counted.output_tokens = usage.output_tokens
        counted.output_method = (
            llm_pb2.TOKEN_COUNT_METHOD_ESTIMATED
            if usage.output_estimated
            else llm_pb2.TOKEN_COUNT_METHOD_REPORTED
        )
    if counted.HasField("input_tokens") and counted.HasField("output_tokens"):
        total = counted.input_tokens + counted.output_tokens
        if _countable(total):
            counted.total_tokens = total
    if _countable(usage.cached_input_tokens):
        counted.cached_input_tokens = usage.cached_input_tokens
    if _countable(usage.cache_write_input_tokens):
        counted.cache_write_input_tokens = usage.cache_write_input_tokens
    return counted


def duration_of(length_s: float | None) -> duration_pb2.Duration | None:
    """Return seconds as a message; None if unknown, or no length of time."""
    if length_s is None or not 0 <= length_s <= LONGEST_S:
        return None
    whole_s = int(length_s)
    return duration_pb2.Duration(seconds=whole_s, nanos=int((length_s - whole_s) * 1e9))


def _attempt_to_proto(attempt: Attempt) -> llm_pb2.RouteAttempt:
    reason = f"{REASON_PREFIX}{attempt.reason or 'UNSPECIFIED'}"
    return llm_pb2.RouteAttempt(
        target=llm_pb2.RouteTarget(provider=attempt.provider.name, model=attempt.model),
        locality=LOCALITIES[attempt.provider.locality],
        status_code=code_pb2.Code.Value(attempt.code),
        reason=llm_pb2.ErrorReason.Value(reason),
        elapsed_duration=duration_of(attempt.elapsed_s),
        content_sent=attempt.content_sent,
    )


def _timings_to_proto(timings: Timings, clocked: Clocked) -> llm_pb2.Timings:
    return llm_pb2.Timings(
        total_duration=duration_of(clocked.total_s),
        queue_duration=duration_of(timings.queue_s),
        first_token_duration=duration_of(clocked.first_content_s),
        model_load_duration=duration_of(timings.load_s),
        prompt_duration=duration_of(timings.prompt_s),
        generation_duration=duration_of(timings.generation_s),
    )


def _countable(tokens: int | None) -> TypeGuard[int]:
    """Return whether a count is one; an upstream's nonsense is unknown, not a lost answer."""
    return tokens is not None and 0 <= tokens <= MAX_INT32


def _adjustment_to_proto(adjustment: Adjustment) -> llm_pb2.Adjustment:
    return llm_pb2.Adjustment(
        field=adjustment.field,
        action=ACTIONS[adjustment.action],
        description=adjustment.description,
    )
