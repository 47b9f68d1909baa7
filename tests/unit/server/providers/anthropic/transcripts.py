"""Whole answers as Anthropic writes them, and their events one by one."""

from tests.fakes.anthropic_stage import event_of
from tests.fakes.ollama_record import Json

INPUT: Json = {
    "input_tokens": 20,
    "cache_creation_input_tokens": 4,
    "cache_read_input_tokens": 2,
    "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 1,
    "service_tier": "standard",
}
PING = event_of("ping", {})
STOP = event_of("message_stop", {})


def begin(usage: Json | None = None, **extra: object) -> bytes:
    """Return the first event; `extra` adds keys to the message."""
    message = {
        "id": "msg_01Fake",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": INPUT if usage is None else usage,
        **extra,
    }
    return event_of("message_start", {"message": message})


def opened(kind: str = "text", **extra: object) -> bytes:
    """Return the beginning of a block."""
    block = {"type": kind, **extra}
    return event_of("content_block_start", {"index": 0, "content_block": block})


def more(kind: str, **extra: object) -> bytes:
    """Return more of a block."""
    delta = {"type": kind, **extra}
    return event_of("content_block_delta", {"index": 0, "delta": delta})


def said(text: str) -> bytes:
    """Return a piece of text."""
    return more("text_delta", text=text)


def thought(text: str) -> bytes:
    """Return a piece of thinking."""
    return more("thinking_delta", thinking=text)


def marker(
    reason: object = "end_turn", sequence: object = None, usage: object = None, **extra: object
) -> bytes:
    """Return the event that says why the answer ended."""
    ending = {"stop_reason": reason, "stop_sequence": sequence, **extra}
    counts = {"output_tokens": 9} if usage is None else usage
    return event_of("message_delta", {"delta": ending, "usage": counts})


def failed(kind: str, message: str = "upstream words", **error: object) -> bytes:
    """Return an error event."""
    return event_of("error", {"error": {"type": kind, "message": message, **error}})


CLOSED = event_of("content_block_stop", {"index": 0})

EVENTS = (
    begin(),
    opened("thinking", thinking="", signature=""),
    PING,
    thought("Let me think"),
    thought(" of {} \n\n data: x"),
    more("signature_delta", signature="RXFRQ0w="),
    CLOSED,
    opened("text", text=""),
    said("Grüße"),
    said(", 世界 👩‍👩‍👧"),
    PING,
    said(' <&> "\\ \u2028 e\u0301'),
    CLOSED,
    marker(),
    STOP,
)
TRANSCRIPT = b"".join(EVENTS)
TEXT = 'Grüße, 世界 👩‍👩‍👧 <&> "\\ \u2028 e\u0301'
