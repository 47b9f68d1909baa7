"""What is said about answers and failures, for people. Pure."""

from typing import Final

from llmsvc_client.answers import Usage
from llmsvc_client.errors import Code, InvalidRequestError, LlmsvcError
from llmsvc_client.reply import ChatReply
from llmsvc_client.tools import OutputCheck, SchemaViolation
from llmsvc_client.types import FinishReason, Locality, ProviderKind

_ENDS: Final = {
    FinishReason.STOP: "complete",
    FinishReason.STOP_SEQUENCE: "ended at a stop sequence",
    FinishReason.MAX_TOKENS: "CUT at the limit of output tokens",
    FinishReason.CONTEXT_LENGTH: "CUT where the context window was full",
    FinishReason.TOOL_CALLS: "it asks for tools",
    FinishReason.CONTENT_FILTER: "CUT by the provider's content filter",
    FinishReason.REFUSAL: "the model declined",
}
_OPERATOR: Final = "The server's operator has to mend this."
_BY_REASON: Final = {
    "CAPABILITY_UNSUPPORTED": "Name another with --model, or say --emulate or --degrade.",
    "CONTENT_REJECTED": "Change the text: that provider will not take it as it is.",
    "MODEL_NOT_FOUND": "Name another with --model, or leave it out for the default.",
    "PROVIDER_CREDENTIALS_REJECTED": _OPERATOR,
    "PROVIDER_MISCONFIGURED": _OPERATOR,
    "PROVIDER_NOT_FOUND": "Name another with --target.",
    "PROVIDER_QUOTA_EXHAUSTED": _OPERATOR,
    "PROVIDER_UNREACHABLE": "Is the provider running? The server's log says more.",
    "STREAM_INTERRUPTED": "What was shown is not the whole answer: ask again.",
    "TIME_LIMIT_EXCEEDED": "Give it more time with --timeout, or ask for less.",
}
_BY_CAUSE: Final = {
    (
        "MODEL_OUTPUT_INVALID",
        "responseFormat",
    ): "Ask again; without --strict it tells what is wrong.",
    ("MODEL_OUTPUT_INVALID", "toolCall"): "Ask again, or name another with --model.",
    ("ROUTE_FORBIDDEN", "operator"): "The server's operator allows local targets only.",
    ("ROUTE_FORBIDDEN", "request"): "Leave out --local-only, or name a local --target.",
}
_BY_BLOCK: Final = {
    "privacy": "The privacy policy kept further targets away.",
    "request": "The request itself kept further targets away.",
}
_KEYWORDS: Final = {
    "json": "it is no JSON",
    "truncated": "it was cut before its JSON ended",
    "unchecked": "it is too large to be checked",
}
_ELSEWHERE: Final = "Is that an llmsvc server at {address}? Name another with --address."
_BY_CODE: Final = {
    Code.UNAVAILABLE: "Is llmsvc-server running there? Name another with --address.",
    Code.DEADLINE_EXCEEDED: "Give it more time with --timeout.",
    Code.UNIMPLEMENTED: _ELSEWHERE,
    Code.UNKNOWN: _ELSEWHERE,
    Code.INTERNAL: _ELSEWHERE,
    Code.PERMISSION_DENIED: _ELSEWHERE,
    Code.UNAUTHENTICATED: _ELSEWHERE,
}


def describe_answer(reply: ChatReply) -> str:
    """Return the line under an answer: model, provider, where it ran, tokens, how it ended.

    Whatever is not known to be local is called remote.
    """
    route = reply.route
    if route.kind is ProviderKind.MOCK:
        return (
            f"CANNED ANSWER: no model ran; it comes from {route.provider}, the built-in mock"
            f" provider (request {reply.request_id})"
        )
    end = _ENDS.get(reply.finish_reason)
    if end is None:
        end = f"ended: {reply.raw.provider_finish_reason or 'reason unknown'}"
    mark = "" if route.locality is Locality.LOCAL else "REMOTE ANSWER: "
    return (
        f"{mark}{route.model}, {route.provider} ({route.locality.value}),"
        f" {_format_tokens(reply.usage)}, {end} (request {reply.request_id})"
    )


def describe_adjustments(reply: ChatReply) -> list[str]:
    """Return a line for each way in which the call was not run as asked."""
    return [f"{each.action}: {each.field}: {each.description}" for each in reply.adjustments]


def describe_check(check: OutputCheck, reply: ChatReply) -> str:
    """Return whether what a model wrote conforms to its schema, in words."""
    names = {call.id: call.name for call in reply.tool_calls}
    what = "the answer"
    if check.tool_call_id:
        what = f"call {check.tool_call_id} of {names.get(check.tool_call_id, 'a tool')}"
    return f"{what} {'conforms' if check.conforming else 'does not conform'} to its schema"


def describe_violations(reply: ChatReply) -> list[str]:
    """Return a line for each place that does not conform."""
    lines = []
    for check in reply.output_checks:
        line = f"llmsvc: {describe_check(check, reply)}"
        lines += [f"{line}: {_format_violation(each)}" for each in check.violations]
        if not (check.conforming or check.violations):
            lines.append(line)
    return lines


def _format_violation(violation: SchemaViolation) -> str:
    meaning = _KEYWORDS.get(violation.keyword)
    if meaning is not None:
        return f"{violation.keyword}, {meaning}"
    return f"{violation.keyword} at {violation.pointer or 'the top'}"


def _left_model_to_server(error: LlmsvcError) -> bool:
    """Return whether a call is known to have left the model to the server."""
    return error.route is not None and not error.route.requested_model


def describe_failure(error: LlmsvcError, address: str) -> list[str]:
    """Return the lines of a failure: message, remedy, when to retry, code and ids; then fields.

    Args:
        error: What happened.
        address: Where the call went.
    """
    message = error.message
    by_cause = _BY_CAUSE.get((error.reason, error.cause), "")
    remedy = by_cause or _BY_REASON.get(error.reason, "")
    if error.reason == "MODEL_NOT_FOUND" and _left_model_to_server(error):
        remedy = "Name another with --model."
    if not error.reason:
        remedy = _BY_CODE.get(error.code, "").format(address=address)
        if error.code is Code.UNAVAILABLE:
            message = f"no answer from {address}: {message}"
    facts = f"{error.code.value} {error.reason}".strip()
    if error.request_id:
        facts += f", request {error.request_id}"
    parts = [_end_sentence(message), _BY_BLOCK.get(error.failover_blocked, ""), remedy]
    if error.retry_after_s is not None:
        parts.append(f"Try again in {error.retry_after_s:g} s.")
    lines = [f"llmsvc: {' '.join(part for part in parts if part)} [{facts}]"]
    if isinstance(error, InvalidRequestError) and len(error.violations) > 1:
        lines += [f"  {each.field}: {each.description}" for each in error.violations]
    return lines


def _end_sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _format_tokens(usage: Usage) -> str:
    if usage.input_tokens is None and usage.output_tokens is None:
        return "tokens unknown"
    read, written = ("?" if n is None else n for n in (usage.input_tokens, usage.output_tokens))
    return f"{read} tokens read, {written} written"
