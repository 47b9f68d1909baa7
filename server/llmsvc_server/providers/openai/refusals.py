"""What such a provider says when it refuses or fails, taken apart: no meaning yet.

Shapes: facts/providers.md 1.6.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from llmsvc_server.providers.openai.wire import Chunk

MAX_REFUSAL_BYTES = 64 * 1024
"""How much of a refusal's body is read. Cut JSON is no JSON, so a longer one says nothing."""

_MOST_TOKENS = 2**31 - 1
_STATUSES = range(100, 600)
_WINDOW = re.compile(r"maximum context length is (\d{1,10}) tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A refusal, or an error inside an answer.

    Attributes:
        status: HTTP status, or the number in its place inside an answer; None without either.
        codes: `code`, then Azure's inner one, where they are texts.
        kind: The error's `type`.
        text: Its message in lower case.
        param: The field it is about, in the provider's terms.
        has_error: Whether the body has an error object.
        has_reasons: Whether it tells why it refuses the content (OpenRouter's moderation).
        context_length, input_tokens: Facts of an overflow.
        retry_after_s: From the headers.
    """

    status: int | None
    codes: tuple[str, ...] = field(default=(), repr=False)
    kind: str = field(default="", repr=False)
    text: str = field(default="", repr=False)
    param: str = field(default="", repr=False)
    has_error: bool = False
    has_reasons: bool = False
    context_length: int | None = None
    input_tokens: int | None = None
    retry_after_s: float | None = None


def said(status: int, body: bytes, *, retry_after_s: float | None = None) -> Said:
    """Return what a refusal says.

    Args:
        status: Its HTTP status.
        body: Its body. Anything may be in it.
        retry_after_s: From its headers.
    """
    return _said(status, _error_in(_decoded(body)), retry_after_s)


def said_in_answer(data: bytes, chunk: Chunk) -> Said:
    """Return what an error inside an answer under 200 says.

    Args:
        data: The event's data, or the whole body.
        chunk: The same, decoded.
    """
    # In an event whose name alone makes it an error, the data are the error.
    error = chunk.error or _error_in(_decoded(data)) or _decoded(data)
    code = _object(error).get("code")
    return _said(code if isinstance(code, int) and code in _STATUSES else None, error, None)


def _error_in(document: object) -> object:
    """Return a body's error, usually an object; vLLM's older form is one itself."""
    outer = _object(document)
    return outer if outer.get("object") == "error" else outer.get("error")


def _said(status: int | None, error: object, retry_after_s: float | None) -> Said:
    document = _object(error)
    inner = _object(document.get("innererror"))
    text = _text(document.get("message") or error).lower()
    window = _WINDOW.search(text)
    return Said(
        status=status,
        codes=tuple(filter(None, (_text(document.get("code")), _text(inner.get("code"))))),
        kind=_text(document.get("type")),
        text=text,
        param=_text(document.get("param")),
        has_error=bool(document),
        has_reasons=bool(_object(document.get("metadata")).get("reasons")),
        context_length=_count(int(window[1]) if window else document.get("n_ctx")),
        input_tokens=_count(document.get("n_prompt_tokens")),
        retry_after_s=retry_after_s,
    )


def _decoded(data: bytes) -> object:
    try:
        document: object = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return document


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MOST_TOKENS:
        return value
    return None
