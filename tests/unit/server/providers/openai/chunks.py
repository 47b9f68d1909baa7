"""Events as servers of several makes write them."""

from tests.fakes.openai_stage import event_of

DONE = b"data: [DONE]\n\n"
OTHERS = b'data: {"choices":[{"index":1,"delta":{"content":"no"},"finish_reason":"stop"}]}\n\n'


def chunk(delta: dict[str, object] | None = None, **extra: object) -> bytes:
    """Return one event; `extra` adds keys to the chunk, or replaces them."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": None}
    return event_of({"id": "chatcmpl-1", "choices": [choice], **extra})


def text(content: str) -> bytes:
    """Return one event with content."""
    return chunk({"content": content})


def finish(reason: str | None = "stop", **extra: object) -> bytes:
    """Return the event that ends an answer; `extra` adds keys to its choice."""
    choice = {"index": 0, "delta": {}, "finish_reason": reason, **extra}
    return event_of({"id": "chatcmpl-1", "choices": [choice]})


def usage(**counts: object) -> bytes:
    """Return the event that says the usage."""
    return event_of({"id": "chatcmpl-1", "choices": [], "usage": counts})


def error(message: str = "no", **fields: object) -> bytes:
    """Return an error event."""
    return event_of({"error": {"message": message, **fields}})


BEFORE_THE_MARKER = (
    # Azure's prompt filter, then a role, as its own chunks.
    b'data: {"choices":[],"created":0,"id":"","prompt_filter_results":[{"prompt_index":0}]}\r\n'
    b"\r\n"
    + chunk({"role": "assistant", "content": "", "refusal": None}, usage=None)
    + b": OPENROUTER PROCESSING\n\n"
    + chunk({"reasoning": "hm"})
    + text("Gr\u00fc\u00dfe, ")
    + b'event: message\ndata: {"id":"chatcmpl-1",\ndata: "choices":[{"delta":{"content":"\xe4'
    b'\xbd\xa0"}}]}\n\n' + chunk({"content": "!"}, obfuscation="x1y2", usage={"prompt_tokens": 1})
)
TRANSCRIPT = (
    BEFORE_THE_MARKER
    + finish("stop", stop_reason=None)
    + usage(
        prompt_tokens=26,
        completion_tokens=9,
        total_tokens=35,
        prompt_tokens_details={"cached_tokens": 20},
    )
    + DONE
)
"""One answer with what servers put between its pieces; it says "Gr\u00fc\u00dfe, \u4f60!"."""
