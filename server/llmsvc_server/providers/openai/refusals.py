"""What such a provider says when it refuses or fails, taken apart: no meaning yet.

Shapes: docs/facts/providers.md 1.6.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from llmsvc_server.providers.openai import google
from llmsvc_server.providers.shared.lenient import read_anything
from llmsvc_server.providers.shared.overflows import Overflow, overflow_in
from llmsvc_server.providers.shared.statuses import status_in
from llmsvc_server.providers.shared.untyped import count_of, fields_of, text_of

MAX_REFUSAL_BYTES = 64 * 1024
"""How much of a refusal's body is read. Cut JSON is no JSON, so a longer one says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A refusal, or an error inside an answer.

    Attributes:
        status: HTTP status, or what an error inside an answer tells as such; None without either.
        codes: `code`, then Azure's inner one, where they are words, then Google's reasons.
        kind: The error's `type`.
        text: Its message in lower case.
        param: The field it is about, in the provider's terms.
        has_error: Whether the body has an error object, as every error inside an answer is one.
        in_answer: Whether it came under 200.
        is_overflow: Whether it has a server's words for a prompt that is too long.
        has_reasons: Whether it tells why it refuses the content (OpenRouter's moderation).
        context_length, input_tokens: Facts of an overflow.
        retry_after_s: From the headers, else from Google's details.
    """

    status: int | None
    codes: tuple[str, ...] = field(default=(), repr=False)
    kind: str = field(default="", repr=False)
    text: str = field(default="", repr=False)
    param: str = field(default="", repr=False)
    has_error: bool = False
    in_answer: bool = False
    is_overflow: bool = False
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
    return _said(status, _decoded(body), retry_after_s=retry_after_s)


def said_in_answer(data: bytes) -> Said:
    """Return what an error inside an answer under 200 says.

    Args:
        data: The event's data, or the whole body. Anything may be in it.
    """
    document = _decoded(data)
    # In an event whose name alone makes it an error, the data are the error.
    status = status_in(fields_of(_error_in(document)), fields_of(document))
    return _said(status, document, in_answer=True)


def has_error(data: bytes) -> bool:
    """Return whether data that are no chunk say an error all the same."""
    return bool(_error_in(_decoded(data)))


def _said(
    status: int | None,
    document: object,
    *,
    in_answer: bool = False,
    retry_after_s: float | None = None,
) -> Said:
    error = fields_of(_error_in(document))
    fields = error or fields_of(document)  # beside a message that stands alone
    texts = list(_texts(document))
    overflow = overflow_in(*texts)
    told = overflow or Overflow()
    return Said(
        status=status,
        codes=tuple(_codes(fields)),
        kind=text_of(fields.get("type")),
        text=next(iter(texts), ""),
        param=text_of(fields.get("param")),
        has_error=in_answer or bool(error),
        in_answer=in_answer,
        is_overflow=overflow is not None,
        has_reasons=bool(fields_of(fields.get("metadata")).get("reasons")),
        context_length=told.context_length or count_of(fields.get("n_ctx")) or None,
        input_tokens=count_of(fields.get("n_prompt_tokens")) or told.input_tokens,
        retry_after_s=google.retry_delay_s(error) if retry_after_s is None else retry_after_s,
    )


def _error_in(document: object) -> object:
    """Return a body's error, usually an object; vLLM's older form is one itself."""
    outer = fields_of(document)
    return outer.get("error") or (outer if outer.get("object") == "error" else None)


def _codes(error: Mapping[str, object]) -> Iterator[str]:
    for place in (error, fields_of(error.get("innererror"))):
        code = text_of(place.get("code"))
        if code and not code.isdecimal():  # else it is a status
            yield code
    yield from google.reasons(error)


def _texts(document: object) -> Iterator[str]:
    """Yield whatever may be the message, in lower case, the likeliest first."""
    outer = fields_of(document)
    for place in (outer.get("error"), outer, outer.get("detail")):
        fields = fields_of(place)
        for text in (place, fields.get("message"), fields.get("error")):
            if isinstance(text, str) and text:
                yield text.lower()
    raw = fields_of(fields_of(outer.get("error")).get("metadata")).get(
        "raw"
    )  # OpenRouter's upstream
    for text in (raw, document):
        if isinstance(text, str):
            yield text.lower()


def _decoded(data: bytes) -> object:
    document = read_anything(data)
    if isinstance(document, list) and len(document) == 1:
        return document[0]  # so does Google wrap its refusals
    return document
