"""What an Ollama says when it refuses, taken apart: no meaning yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Flag, auto

from llmsvc_server.providers.shared.lenient import read_anything
from llmsvc_server.providers.shared.overflows import Overflow, overflow_in
from llmsvc_server.providers.shared.statuses import status_in
from llmsvc_server.providers.shared.untyped import count_of, fields_of, text_of

MAX_REFUSAL_BYTES = 64 * 1024
"""How much of a refusal's body is read. Cut JSON is no JSON, so a longer one has no text."""


class Trait(Flag):
    """What the body of a refusal is."""

    NONE = 0
    EMPTY = auto()
    ERROR_TEXT = auto()
    """A JSON object whose `error` is a string, or an error line."""
    SIGN_IN = auto()
    """It sends people to the vendor's cloud."""
    CLOUD_STATUS = auto()
    """A status of the vendor's cloud, passed on."""
    OVERFLOW = auto()
    """It says, in some server's words, that a prompt is too long: proxies pass on what they get."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A refusal, or an error line.

    Attributes:
        status: HTTP status, or what an error line tells as such; None without either.
        text: The error's text in lower case, that of an inner error if there is one; else empty.
        kind: The inner error's `type`.
        traits: What the body is.
        in_line: Whether it came under 200.
        context_length, input_tokens: Numbers of an inner error.
        retry_after_s: From the headers.
    """

    status: int | None
    text: str = field(default="", repr=False)
    kind: str = field(default="", repr=False)
    traits: Trait = Trait.NONE
    in_line: bool = False
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
    outer = fields_of(read_anything(body))
    traits = Trait.NONE if body.strip() else Trait.EMPTY
    if "signin_url" in outer:
        traits |= Trait.SIGN_IN
    if {"StatusCode", "Status"} <= outer.keys():
        traits |= Trait.CLOUD_STATUS
    return _said(status, outer.get("error"), traits, retry_after_s)


def said_in_line(error: object, *, of_cloud: bool) -> Said:
    """Return what an error line under 200 says.

    Args:
        error: Its `error`, usually a text.
        of_cloud: Whether it passes on a status of the vendor's cloud.
    """
    traits = Trait.ERROR_TEXT | (Trait.CLOUD_STATUS if of_cloud else Trait.NONE)
    status = status_in(_inner(error))  # a proxy's: Ollama itself tells none
    return replace(_said(status, error, traits, None), in_line=True)


def _said(status: int | None, error: object, traits: Trait, retry_after_s: float | None) -> Said:
    if isinstance(error, str):
        traits |= Trait.ERROR_TEXT
    inner = _inner(error)
    found = inner.get("message") or error
    text = text_of(found)[:MAX_REFUSAL_BYTES].lower()
    overflow = overflow_in(text)
    told = overflow or Overflow()
    return Said(
        status=status,
        text=text,
        kind=text_of(inner.get("type")),
        traits=traits | (Trait.OVERFLOW if overflow else Trait.NONE),
        context_length=count_of(inner.get("n_ctx")) or told.context_length,
        input_tokens=count_of(inner.get("n_prompt_tokens")) or told.input_tokens,
        retry_after_s=retry_after_s,
    )


def _inner(error: object) -> Mapping[str, object]:
    """Return the engine's own error: newer servers pass its JSON on inside a string."""
    document = (
        read_anything(error.encode(errors="surrogatepass")) if isinstance(error, str) else error
    )
    if not isinstance(document, dict):
        return {}
    nested = document.get("error", document)
    return fields_of(nested)
