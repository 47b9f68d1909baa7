"""What Anthropic says when it refuses or fails, taken apart: no meaning yet.

Shapes: facts/providers.md 2.6.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

MAX_REFUSAL_BYTES = 64 * 1024
"""How much of a refusal's body is read. Cut JSON is no JSON, so a longer one says nothing."""

_MOST_TOKENS = 2**31 - 1
_OVERFLOWS = (
    re.compile(r"prompt is too long: (\d{1,10}) tokens > (\d{1,10}) maximum"),
    re.compile(r"exceed context limit: (\d{1,10}) \+ \d{1,10} > (\d{1,10})"),
)
"""Texts in which the tokens of the prompt stand, and the window's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A refusal, or an error event.

    Attributes:
        status: HTTP status; None for an error under 200.
        code: The `error_code` in the error's details.
        kind: The error's `type`.
        text: Its message in lower case.
        context_length, input_tokens: Facts of an overflow.
        retry_after_s: From the headers.
    """

    status: int | None
    code: str = field(default="", repr=False)
    kind: str = field(default="", repr=False)
    text: str = field(default="", repr=False)
    context_length: int | None = None
    input_tokens: int | None = None
    retry_after_s: float | None = None


def said(status: int | None, body: bytes, *, retry_after_s: float | None = None) -> Said:
    """Return what a refusal says, or an error under 200.

    Args:
        status: Its HTTP status; None under 200.
        body: Its body, or an event's data. Anything may be in it.
        retry_after_s: From its headers.
    """
    error = _object(_object(_decoded(body)).get("error"))
    text = _text(error.get("message")).lower()
    found = next((match for pattern in _OVERFLOWS if (match := pattern.search(text))), None)
    return Said(
        status=status,
        code=_text(_object(error.get("details")).get("error_code")),
        kind=_text(error.get("type")),
        text=text,
        context_length=_count(found[2]) if found else None,
        input_tokens=_count(found[1]) if found else None,
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


def _count(digits: str) -> int | None:
    count = int(digits)
    return count if 0 < count <= _MOST_TOKENS else None
