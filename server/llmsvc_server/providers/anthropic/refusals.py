"""What Anthropic says when it refuses or fails, taken apart: no meaning yet.

Shapes: docs/facts/providers.md 2.6.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from llmsvc_server.providers.shared.lenient import read_anything
from llmsvc_server.providers.shared.overflows import Overflow, overflow_in
from llmsvc_server.providers.shared.statuses import status_in
from llmsvc_server.providers.shared.untyped import fields_of, text_of

MAX_REFUSAL_BYTES = 64 * 1024
"""How much of a refusal's body is read. Cut JSON is no JSON, so a longer one says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A refusal, or an error event.

    Attributes:
        status: HTTP status, or what an error under 200 tells as such; None without either.
        code: The `error_code` in the error's details.
        kind: The error's `type`.
        text: Its message in lower case.
        in_answer: Whether it came under 200.
        is_overflow: Whether it has a server's words for a prompt that is too long.
        context_length, input_tokens: Facts of an overflow.
        retry_after_s: From the headers.
    """

    status: int | None
    code: str = field(default="", repr=False)
    kind: str = field(default="", repr=False)
    text: str = field(default="", repr=False)
    in_answer: bool = False
    is_overflow: bool = False
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
    outer = fields_of(read_anything(body))
    error = fields_of(outer.get("error"))
    texts = list(_texts(outer))
    overflow = overflow_in(*texts)
    told = overflow or Overflow()
    return Said(
        status=status_in(error, outer) if status is None else status,
        code=text_of(fields_of(error.get("details")).get("error_code")),
        kind=text_of(error.get("type")),
        text=next(iter(texts), ""),
        in_answer=status is None,
        is_overflow=overflow is not None,
        context_length=told.context_length,
        input_tokens=told.input_tokens,
        retry_after_s=retry_after_s,
    )


def _texts(outer: Mapping[str, object]) -> Iterator[str]:
    """Yield whatever may be the message, in lower case; a proxy's stand elsewhere than theirs."""
    error = outer.get("error")
    for text in (fields_of(error).get("message"), error, outer.get("message"), outer.get("detail")):
        if isinstance(text, str) and text:
            yield text.lower()
