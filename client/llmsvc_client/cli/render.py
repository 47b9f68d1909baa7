"""What is said about answers and failures, for people and for programs. Pure."""

import json
from typing import Final

from google.protobuf import json_format

from llmsvc_client.errors import Code, InvalidRequestError, LlmsvcError
from llmsvc_client.types import ChatReply, FinishReason, ProviderKind, Usage

_ENDS: Final = {
    FinishReason.STOP: "complete",
    FinishReason.STOP_SEQUENCE: "ended at a stop sequence",
    FinishReason.MAX_TOKENS: "CUT at the limit of output tokens",
    FinishReason.CONTEXT_LENGTH: "CUT where the context window was full",
}
_OPERATOR: Final = "The server's operator has to mend this."
_BY_REASON: Final = {
    "MODEL_NOT_FOUND": "Name another with --model, or leave it out for the default.",
    "PROVIDER_CREDENTIALS_REJECTED": _OPERATOR,
    "PROVIDER_MISCONFIGURED": _OPERATOR,
    "PROVIDER_UNREACHABLE": "Is the provider running? The server's log says more.",
    "STREAM_INTERRUPTED": "What was shown is not the whole answer: ask again.",
    "TIME_LIMIT_EXCEEDED": "Give it more time with --timeout, or ask for less.",
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


def who_answered(reply: ChatReply) -> str:
    """Return the line under an answer: model, provider, where it ran, tokens, how it ended."""
    route = reply.route
    if route.kind is ProviderKind.MOCK:
        return (
            f"CANNED ANSWER: no model ran; it comes from {route.provider}, the built-in mock"
            f" provider (request {reply.request_id})"
        )
    end = _ENDS.get(reply.finish_reason)
    if end is None:
        end = f"ended: {reply.raw.provider_finish_reason or 'reason unknown'}"
    return (
        f"{route.model}, {route.provider} ({route.locality.value}),"
        f" {_tokens(reply.usage)}, {end} (request {reply.request_id})"
    )


def what_changed(reply: ChatReply) -> list[str]:
    """Return a line for each way in which the call was not run as asked."""
    return [f"{each.action}: {each.field}: {each.description}" for each in reply.adjustments]


def what_failed(error: LlmsvcError, address: str) -> list[str]:
    """Return the lines of a failure: message, remedy, when to retry, code and ids; then fields.

    Args:
        error: What happened.
        address: Where the call went.
    """
    message, remedy = error.message, _BY_REASON.get(error.reason, "")
    if not error.reason:
        remedy = _BY_CODE.get(error.code, "").format(address=address)
        if error.code is Code.UNAVAILABLE:
            message = f"no answer from {address}: {message}"
    facts = f"{error.code.value} {error.reason}".strip()
    if error.request_id:
        facts += f", request {error.request_id}"
    parts = [_sentence(message), remedy]
    if error.retry_after_s is not None:
        parts.append(f"Try again in {error.retry_after_s:g} s.")
    lines = [f"llmsvc: {' '.join(part for part in parts if part)} [{facts}]"]
    if isinstance(error, InvalidRequestError) and len(error.violations) > 1:
        lines += [f"  {each.field}: {each.description}" for each in error.violations]
    return lines


def reply_json(reply: ChatReply) -> str:
    """Return the contract's `ChatResponse` as one line of JSON, in ASCII."""
    return json_format.MessageToJson(reply.raw, indent=None) + "\n"


def failure_json(error: LlmsvcError) -> str:
    """Return a failure as one line of JSON, in ASCII; absent facts are left out."""
    facts: dict[str, object] = {
        "code": error.code.value,
        "reason": error.reason,
        "message": error.message,
        "requestId": error.request_id,
        "retryable": error.retryable,
        "retryAfterSeconds": error.retry_after_s,
        "metadata": dict(error.metadata),
    }
    if isinstance(error, InvalidRequestError):
        facts["violations"] = [
            {"field": each.field, "reason": each.reason, "description": each.description}
            for each in error.violations
        ]
    known = {name: fact for name, fact in facts.items() if fact not in ("", None, {})}
    return json.dumps({"error": known})


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _tokens(usage: Usage) -> str:
    if usage.input_tokens is None and usage.output_tokens is None:
        return "tokens unknown"
    read, written = ("?" if n is None else n for n in (usage.input_tokens, usage.output_tokens))
    return f"{read} tokens read, {written} written"
