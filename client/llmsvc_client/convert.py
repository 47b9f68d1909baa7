"""The contract's messages to our values. Pure; newer enum values never raise."""

from google.protobuf import duration_pb2
from google.protobuf.message import Message as ContractMessage
from google.rpc import code_pb2

from llmsvc.v1 import llm_pb2
from llmsvc_client.answers import (
    Adjustment,
    Attempt,
    CallPiece,
    Piece,
    Progress,
    RefusalPiece,
    Route,
    Timings,
    Usage,
)
from llmsvc_client.parts import to_message
from llmsvc_client.reply import ChatReply
from llmsvc_client.tools import OutputCheck, SchemaViolation
from llmsvc_client.types import (
    CountMethod,
    FinishReason,
    Locality,
    Message,
    Phase,
    Privacy,
    ProviderKind,
    Target,
)

_FINISH_REASONS = {
    llm_pb2.FINISH_REASON_STOP: FinishReason.STOP,
    llm_pb2.FINISH_REASON_STOP_SEQUENCE: FinishReason.STOP_SEQUENCE,
    llm_pb2.FINISH_REASON_MAX_TOKENS: FinishReason.MAX_TOKENS,
    llm_pb2.FINISH_REASON_CONTEXT_LENGTH: FinishReason.CONTEXT_LENGTH,
    llm_pb2.FINISH_REASON_TOOL_CALLS: FinishReason.TOOL_CALLS,
    llm_pb2.FINISH_REASON_CONTENT_FILTER: FinishReason.CONTENT_FILTER,
    llm_pb2.FINISH_REASON_REFUSAL: FinishReason.REFUSAL,
    llm_pb2.FINISH_REASON_OTHER: FinishReason.OTHER,
}
_LOCALITIES = {
    llm_pb2.LOCALITY_LOCAL: Locality.LOCAL,
    llm_pb2.LOCALITY_REMOTE: Locality.REMOTE,
}
_KINDS = {
    llm_pb2.PROVIDER_KIND_OLLAMA: ProviderKind.OLLAMA,
    llm_pb2.PROVIDER_KIND_OPENAI: ProviderKind.OPENAI,
    llm_pb2.PROVIDER_KIND_ANTHROPIC: ProviderKind.ANTHROPIC,
    llm_pb2.PROVIDER_KIND_MOCK: ProviderKind.MOCK,
}
_PRIVACY = {
    llm_pb2.PRIVACY_MODE_LOCAL_ONLY: Privacy.LOCAL_ONLY,
    llm_pb2.PRIVACY_MODE_CLOUD_ALLOWED: Privacy.CLOUD_ALLOWED,
}
_METHODS = {
    llm_pb2.TOKEN_COUNT_METHOD_REPORTED: CountMethod.REPORTED,
    llm_pb2.TOKEN_COUNT_METHOD_ESTIMATED: CountMethod.ESTIMATED,
}
_CODES = {number: name for name, number in code_pb2.Code.items()}
_REASONS = {
    number: name.removeprefix("ERROR_REASON_") if number else ""
    for name, number in llm_pb2.ErrorReason.items()
}
_PHASES = {
    llm_pb2.StreamProgress.PHASE_QUEUED: Phase.QUEUED,
    llm_pb2.StreamProgress.PHASE_LOADING_MODEL: Phase.LOADING_MODEL,
    llm_pb2.StreamProgress.PHASE_WAITING_FOR_PROVIDER: Phase.WAITING_FOR_PROVIDER,
    llm_pb2.StreamProgress.PHASE_GENERATING: Phase.GENERATING,
}
_ACTIONS = {
    llm_pb2.Adjustment.ACTION_IGNORED: "ignored",
    llm_pb2.Adjustment.ACTION_EMULATED: "emulated",
    llm_pb2.Adjustment.ACTION_CLAMPED: "clamped",
}


def to_reply(response: llm_pb2.ChatResponse, message: Message | None = None) -> ChatReply:
    """Return a whole answer.

    Args:
        response: The contract's message.
        message: The answer as a turn where `response` does not hold it: after a stream.
    """
    return ChatReply(
        message=to_message(response.message) if message is None else message,
        finish_reason=_FINISH_REASONS.get(response.finish_reason, FinishReason.UNKNOWN),
        stop_sequence=response.stop_sequence,
        usage=to_usage(response.usage),
        route=to_route(response.route),
        timings=to_timings(response.timings),
        adjustments=tuple(to_adjustment(each) for each in response.adjustments),
        output_checks=tuple(map(to_check, response.output_checks)),
        request_id=response.request_id,
        provider_response_id=response.provider_response_id,
        raw=response,
    )


def to_route(route: llm_pb2.RouteInfo) -> Route:
    """Return who answers, and what was tried."""
    return Route(
        provider=route.provider,
        kind=_KINDS.get(route.provider_kind, ProviderKind.UNKNOWN),
        model=route.model,
        requested_model=route.requested_model,
        locality=_LOCALITIES.get(route.locality, Locality.UNKNOWN),
        privacy=_PRIVACY.get(route.effective_privacy_mode, Privacy.UNKNOWN),
        attempts=tuple(to_attempt(each) for each in route.attempts),
        raw=route,
    )


def to_attempt(attempt: llm_pb2.RouteAttempt) -> Attempt:
    """Return one target that was tried or skipped."""
    return Attempt(
        provider=attempt.target.provider,
        model=attempt.target.model,
        locality=_LOCALITIES.get(attempt.locality, Locality.UNKNOWN),
        code=_CODES.get(attempt.status_code, str(attempt.status_code)),
        reason=_REASONS.get(attempt.reason, str(attempt.reason)),
        elapsed_s=_seconds(attempt, "elapsed_duration"),
        content_sent=attempt.content_sent,
        raw=attempt,
    )


def to_usage(usage: llm_pb2.Usage) -> Usage:
    """Return token counts; what is unset is unknown."""
    return Usage(
        input_tokens=_count(usage, "input_tokens"),
        output_tokens=_count(usage, "output_tokens"),
        total_tokens=_count(usage, "total_tokens"),
        cached_input_tokens=_count(usage, "cached_input_tokens"),
        cache_write_input_tokens=_count(usage, "cache_write_input_tokens"),
        input_method=_METHODS.get(usage.input_method, CountMethod.UNKNOWN),
        output_method=_METHODS.get(usage.output_method, CountMethod.UNKNOWN),
        raw=usage,
    )


def to_timings(timings: llm_pb2.Timings) -> Timings:
    """Return where the time went; what is unset is unknown."""
    return Timings(
        total_s=_seconds(timings, "total_duration"),
        queue_s=_seconds(timings, "queue_duration"),
        first_token_s=_seconds(timings, "first_token_duration"),
        model_load_s=_seconds(timings, "model_load_duration"),
        prompt_s=_seconds(timings, "prompt_duration"),
        generation_s=_seconds(timings, "generation_duration"),
        raw=timings,
    )


def to_progress(progress: llm_pb2.StreamProgress) -> Progress:
    """Return a sign of life."""
    target = progress.target if progress.HasField("target") else None
    return Progress(
        phase=_PHASES.get(progress.phase, Phase.UNKNOWN),
        elapsed_s=_seconds(progress, "elapsed_duration"),
        target=None if target is None else Target(target.provider, target.model),
        raw=progress,
    )


def to_piece(delta: llm_pb2.PartDelta) -> Piece | CallPiece | RefusalPiece | None:
    """Return more of an answer; None if it says nothing that this client knows."""
    if delta.text:
        return Piece(delta.text, delta)
    if delta.HasField("tool_call"):
        call = delta.tool_call
        return CallPiece(call.id, call.name, call.arguments_json, delta)
    return RefusalPiece(delta.refusal, delta) if delta.refusal else None


def to_adjustment(adjustment: llm_pb2.Adjustment) -> Adjustment:
    """Return what was not run as asked."""
    return Adjustment(
        field=adjustment.field,
        action=_ACTIONS.get(adjustment.action, "unknown"),
        description=adjustment.description,
        raw=adjustment,
    )


def to_check(check: llm_pb2.OutputCheck) -> OutputCheck:
    """Return a check of what the model wrote."""
    return OutputCheck(
        check.tool_call_id,
        check.conforming,
        tuple(SchemaViolation(one.pointer, one.keyword) for one in check.violations),
    )


def to_seconds(duration: duration_pb2.Duration) -> float:
    """Return a length of time in seconds; a negative one is none at all."""
    return max(0.0, duration.seconds + duration.nanos / 1e9)


def _count(usage: ContractMessage, field: str) -> int | None:
    if not usage.HasField(field):
        return None
    count: int = getattr(usage, field)
    return count


def _seconds(message: ContractMessage, field: str) -> float | None:
    return to_seconds(getattr(message, field)) if message.HasField(field) else None
