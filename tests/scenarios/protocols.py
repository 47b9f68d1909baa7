"""How each protocol says the steps, what it calls each fault, and how it is configured."""

import json
from collections.abc import Mapping
from enum import StrEnum

from tests.scenarios.steps import Begin, Frame, KeepAlive, Marker, Raw, Refuse, Say, Step

Json = Mapping[str, object]


class Protocol(StrEnum):
    """Whose wire a fault server speaks."""

    OLLAMA = "ollama"
    OPENAI = "openai"
    ANTHROPIC = "anthropic"


class Fault(StrEnum):
    """A refusal, named by what it means."""

    RATE_LIMIT = "rate_limit"
    SATURATED = "saturated"
    TRANSIENT = "transient"
    UNAVAILABLE = "unavailable"
    CONTEXT = "context"
    CONTENT = "content"
    CALLER = "caller"
    CREDENTIAL = "credential"


PATHS = {
    Protocol.OLLAMA: "/api/chat",
    Protocol.OPENAI: "/v1/chat/completions",
    Protocol.ANTHROPIC: "/v1/messages",
}
STREAM_TYPES = {
    Protocol.OLLAMA: "application/x-ndjson",
    Protocol.OPENAI: "text/event-stream",
    Protocol.ANTHROPIC: "text/event-stream",
}
MODELS = {
    Protocol.OLLAMA: "phi3:mini",
    Protocol.OPENAI: "gpt-4o-mini",
    Protocol.ANTHROPIC: "claude-haiku-4-5",
}
KEY = "sk-test-key-of-the-operator"


def _ollama_error(text: str) -> Json:
    return {"error": text}


def _openai_error(code: str, kind: str = "invalid_request_error") -> Json:
    return {"error": {"message": "upstream words", "type": kind, "param": None, "code": code}}


def _anthropic_error(kind: str, text: str = "upstream words") -> Json:
    return {"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_1"}


_REFUSALS: Mapping[Protocol, Mapping[Fault, tuple[int, Json]]] = {
    Protocol.OLLAMA: {
        Fault.RATE_LIMIT: (429, {}),
        Fault.SATURATED: (503, _ollama_error("server busy. maximum pending requests exceeded")),
        Fault.TRANSIENT: (500, _ollama_error("model runner has unexpectedly stopped")),
        Fault.UNAVAILABLE: (503, _ollama_error("some other words")),
        Fault.CONTEXT: (400, _ollama_error("the input length exceeds the context length")),
        Fault.CALLER: (400, _ollama_error("some other words")),
        Fault.CREDENTIAL: (401, {}),
    },
    Protocol.OPENAI: {
        Fault.RATE_LIMIT: (429, _openai_error("rate_limit_exceeded", "requests")),
        Fault.SATURATED: (498, _openai_error("capacity_exceeded")),
        Fault.TRANSIENT: (500, _openai_error("", "server_error")),
        Fault.UNAVAILABLE: (503, _openai_error("", "service_unavailable_error")),
        Fault.CONTEXT: (400, _openai_error("context_length_exceeded")),
        Fault.CONTENT: (400, _openai_error("content_policy_violation")),
        Fault.CALLER: (400, _openai_error("something_else")),
        Fault.CREDENTIAL: (401, _openai_error("invalid_api_key")),
    },
    Protocol.ANTHROPIC: {
        Fault.RATE_LIMIT: (429, _anthropic_error("rate_limit_error")),
        Fault.TRANSIENT: (500, _anthropic_error("api_error")),
        Fault.UNAVAILABLE: (529, _anthropic_error("overloaded_error")),
        Fault.CONTEXT: (
            400,
            _anthropic_error("invalid_request_error", "prompt is too long: 9 > 8"),
        ),
        Fault.CALLER: (400, _anthropic_error("invalid_request_error")),
        Fault.CREDENTIAL: (401, _anthropic_error("authentication_error")),
    },
}


def refuse(protocol: Protocol, fault: Fault, **headers: str) -> Refuse:
    """Return how a protocol says a fault. Headers are given as `retry_after="2"`."""
    status, document = _REFUSALS[protocol][fault]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Refuse(status, json.dumps(document).encode(), named)


def rendered(protocol: Protocol, step: Step) -> bytes:
    """Return the bytes of a step that has any; empty where a protocol says nothing."""
    if isinstance(step, Raw):
        return step.data
    match protocol:
        case Protocol.OLLAMA:
            return _ollama(step)
        case Protocol.OPENAI:
            return _openai(step)
        case Protocol.ANTHROPIC:
            return _anthropic(step)


def _ollama(step: Step) -> bytes:
    match step:
        case Say(text):
            return _line({"message": {"role": "assistant", "content": text}, "done": False})
        case Marker(reason):
            return _line(
                {
                    "message": {"role": "assistant", "content": ""},
                    "done": True,
                    "done_reason": reason,
                    "prompt_eval_count": 5,
                    "eval_count": 7,
                }
            )
        case _:
            return b""


def _openai(step: Step) -> bytes:
    match step:
        case Begin():
            return _chunk({"role": "assistant", "content": ""})
        case KeepAlive():
            return b": keep-alive\n\n"
        case Say(text):
            return _chunk({"content": text})
        case Marker(reason):
            usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
            tail = {"id": "c1", "model": "m", "choices": [], "usage": usage}
            return _chunk({}, reason) + _data(tail)
        case Frame():
            return b"data: [DONE]\n\n"
        case _:
            return b""


def _anthropic(step: Step) -> bytes:
    match step:
        case Begin():
            usage = {"input_tokens": 5, "output_tokens": 1}
            message = {"id": "msg_1", "model": "m", "usage": usage, "stop_reason": None}
            block = {"index": 0, "content_block": {"type": "text", "text": ""}}
            return _event("message_start", {"message": message}) + _event(
                "content_block_start", block
            )
        case KeepAlive():
            return _event("ping", {})
        case Say(text):
            delta = {"index": 0, "delta": {"type": "text_delta", "text": text}}
            return _event("content_block_delta", delta)
        case Marker(reason):
            word = {"stop": "end_turn"}.get(reason, reason)
            end = {"delta": {"stop_reason": word}, "usage": {"output_tokens": 7}}
            return _event("message_delta", end)
        case Frame():
            return _event("message_stop", {})
        case _:
            return b""


def _line(document: Json) -> bytes:
    return json.dumps({"model": "phi3:mini", **document}).encode() + b"\n"


def _chunk(delta: Json, finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return _data({"id": "c1", "model": "m", "choices": [choice], "usage": None})


def _data(document: Json) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def _event(name: str, document: Json) -> bytes:
    return f"event: {name}\n".encode() + _data({"type": name, **document})
