"""Lines as an Ollama writes them."""

import json


def line(text: str = "", **extra: object) -> bytes:
    """Return one line with content, its newline included; `extra` adds keys or replaces them."""
    document = {
        "model": "m",
        "created_at": "2026-08-21T10:00:00.123456789Z",
        "message": {"role": "assistant", "content": text},
        "done": False,
        **extra,
    }
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"


def thought(text: str) -> bytes:
    """Return one line with thinking only."""
    return line(message={"role": "assistant", "content": "", "thinking": text})


def last(reason: str = "stop", text: str = "", **extra: object) -> bytes:
    """Return the final line."""
    return line(text, done=True, done_reason=reason, **extra)
