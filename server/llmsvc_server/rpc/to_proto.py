"""From our values to messages. Total: every value has a message."""

from google.protobuf import duration_pb2
from google.rpc import code_pb2

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.events import Done
from llmsvc_server.chat.output_check import OutputCheck
from llmsvc_server.chat.parts import Part, Refusal, ToolCall
from llmsvc_server.chat.route import Locality, Privacy, ProviderKind, Route, Trail
from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.rpc.callinfo import ServerTimings

MAX_INT32 = 2**31 - 1
MAX_DURATION_S = 1e9
"""No answer takes thirty years; an upstream's nonsense is unknown, not a lost answer."""

MICROS = 1_000_000
"""To a second. No clock here is finer; what a float says beyond that is no measurement."""

REASON_PREFIX = "ERROR_REASON_"
FINISH_REASONS = {
    FinishReason.STOP: llm_pb2.FINISH_REASON_STOP,
    FinishReason.STOP_SEQUENCE: llm_pb2.FINISH_REASON_STOP_SEQUENCE,
    FinishReason.MAX_TOKENS: llm_pb2.FINISH_REASON_MAX_TOKENS,
    FinishReason.CONTEXT_LENGTH: llm_pb2.FINISH_REASON_CONTEXT_LENGTH,
    FinishReason.TOOL_CALLS: llm_pb2.FINISH_REASON_TOOL_CALLS,
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
CODES = dict(code_pb2.Code.items())
REASONS = dict(llm_pb2.ErrorReason.items())
ACTIONS = {
    Action.IGNORED: llm_pb2.Adjustment.ACTION_IGNORED,
    Action.EMULATED: llm_pb2.Adjustment.ACTION_EMULATED,
    Action.CLAMPED: llm_pb2.Adjustment.ACTION_CLAMPED,
}


def response_to_proto(
    done: Done,
    route: Route,
    request_id: str,
    parts: tuple[Part, ...] | None,
    measured: ServerTimings,
) -> llm_pb2.ChatResponse:
    """Return a whole answer.

    Args:
        done: How the answer ended.
        route: Who gave it.
        request_id: Id of the call.
        parts: The answer; None leaves the message unset.
        measured: How long it took.
    """
    # Filled in place: a message that is made by itself is copied into the one that holds it.
    response = llm_pb2.ChatResponse(
        request_id=request_id,
        finish_reason=FINISH_REASONS[done.finish_reason],
        stop_sequence=done.stop_sequence,
        provider_finish_reason=done.provider_finish_reason,
        provider_response_id=done.provider_response_id,
    )
    fill_usage(response.usage, done.usage)
    fill_route(response.route, route.trail, route)
    timings, said = response.timings, done.timings
    timings.SetInParent()
    fill_durations(
        (timings.total_duration, measured.total_s),
        (timings.queue_duration, said.queue_s),
        (timings.first_token_duration, measured.first_content_s),
        (timings.model_load_duration, said.load_s),
        (timings.prompt_duration, said.prompt_s),
        (timings.generation_duration, said.generation_s),
    )
    if parts is not None:
        message = response.message
        message.role = llm_pb2.ROLE_ASSISTANT
        for part in parts:
            if isinstance(part, str):
                message.parts.add().text = part
            else:
                _fill_part(message.parts.add(), part)
    for check in done.output_checks:
        _fill_check(response.output_checks.add(), check)
    if done.adjustments:
        response.adjustments.extend(_adjustment_to_proto(one) for one in done.adjustments)
    return response


def fill_route(info: llm_pb2.RouteInfo, trail: Trail, route: Route | None) -> None:
    """Say what was tried, and who answered if `route` does.

    Args:
        info: Empty, maybe a field of another message.
        trail: What was tried.
        route: Who answered; None where nobody did.
    """
    info.requested_model = trail.requested_model
    info.effective_privacy_mode = PRIVACY_MODES[trail.privacy]
    for attempt in trail.attempts:
        message, tried = info.attempts.add(), attempt.provider
        message.target.provider, message.target.model = tried.name, attempt.model
        message.locality = LOCALITIES[tried.locality]
        message.status_code = CODES[attempt.code]
        message.reason = REASONS[f"{REASON_PREFIX}{attempt.reason or 'UNSPECIFIED'}"]
        fill_durations((message.elapsed_duration, attempt.elapsed_s))
        message.content_sent = attempt.content_sent
    if route is not None:
        provider = route.provider
        info.provider, info.model = provider.name, route.model
        info.provider_kind = PROVIDER_KINDS[provider.kind]
        info.locality = LOCALITIES[provider.locality]


def fill_usage(message: llm_pb2.Usage, usage: Usage) -> None:
    """Say the counts that are known. `message` is empty, and set even if none are.

    A count that does not fit is an upstream's nonsense: unknown, not a lost answer.
    """
    message.SetInParent()
    read, written = usage.input_tokens, usage.output_tokens
    if read is not None and 0 <= read <= MAX_INT32:
        message.input_tokens = read
        message.input_method = llm_pb2.TOKEN_COUNT_METHOD_REPORTED
        if written is not None and 0 <= written <= MAX_INT32 - read:
            message.total_tokens = read + written
    if written is not None and 0 <= written <= MAX_INT32:
        message.output_tokens = written
        message.output_method = (
            llm_pb2.TOKEN_COUNT_METHOD_ESTIMATED
            if usage.output_estimated
            else llm_pb2.TOKEN_COUNT_METHOD_REPORTED
        )
    cached, cache_written = usage.cached_input_tokens, usage.cache_write_input_tokens
    if cached is not None and 0 <= cached <= MAX_INT32:
        message.cached_input_tokens = cached
    if cache_written is not None and 0 <= cache_written <= MAX_INT32:
        message.cache_write_input_tokens = cache_written


def fill_durations(*lengths: tuple[duration_pb2.Duration, float | None]) -> None:
    """Say lengths of time in seconds, to the microsecond, each in the message beside it.

    One that is unknown, or none, leaves its message unset.
    """
    for duration, length_s in lengths:
        if length_s is not None and 0 <= length_s <= MAX_DURATION_S:
            duration.seconds, micros = divmod(round(length_s * MICROS), MICROS)
            duration.nanos = micros * 1000


def _fill_part(message: llm_pb2.ContentPart, part: Part) -> None:
    if isinstance(part, Refusal):
        message.refusal = part.text
        return
    assert isinstance(part, ToolCall)  # noqa: S101  of an answer, which has no results
    call = message.tool_call
    call.id, call.name, call.arguments_json = part.id, part.name, part.arguments_json


def _fill_check(message: llm_pb2.OutputCheck, check: OutputCheck) -> None:
    message.tool_call_id = check.tool_call_id
    message.conforming = not check.violations
    for one in check.violations:
        message.violations.add(pointer=one.pointer, keyword=one.keyword)


def _adjustment_to_proto(adjustment: Adjustment) -> llm_pb2.Adjustment:
    return llm_pb2.Adjustment(
        field=adjustment.field,
        action=ACTIONS[adjustment.action],
        description=adjustment.description,
    )
