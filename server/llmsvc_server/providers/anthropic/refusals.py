"""What Anthropic says when it refuses or fails, taken apart: no meaning yet.

Shapes: docs/facts/providers.md 2.6.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from llmsvc_server.providers.anthropic.lacks import lacking_in
from llmsvc_server.providers.shared.error_signal import ErrorSignal, Trait, read_signal
from llmsvc_server.providers.shared.lenient import read_anything
from llmsvc_server.providers.shared.statuses import status_in
from llmsvc_server.providers.shared.untyped import fields_of, text_of


class AnthropicTrait(StrEnum):
    """What a refusal of Anthropic's is besides; see `Trait`."""

    LACKS = "lacks"
    """It is about tools, a choice or a format."""


def read_refusal(status: int, body: bytes, retry_after_s: float | None = None) -> ErrorSignal:
    """Return what a refusal says.

    Args:
        status: Its HTTP status.
        body: Its body. Anything may be in it.
        retry_after_s: From its headers.
    """
    return _read(status, fields_of(read_anything(body)), (), retry_after_s)


def read_error(data: bytes) -> ErrorSignal:
    """Return what an error inside an answer under 200 says.

    Args:
        data: The event's data, or the whole body. Anything may be in it.
    """
    outer = fields_of(read_anything(data))
    status = status_in(fields_of(outer.get("error")), outer)
    return _read(status, outer, (Trait.IN_ANSWER,))


def _read(
    status: int | None,
    outer: Mapping[str, object],
    traits: tuple[str, ...],
    retry_after_s: float | None = None,
) -> ErrorSignal:
    error = fields_of(outer.get("error"))
    code = text_of(fields_of(error.get("details")).get("error_code"))
    texts = list(_texts(outer))
    lacking = lacking_in(texts)
    return read_signal(
        status,
        error,
        texts,
        codes=filter(None, (code,)),
        param=lacking,
        traits=(*traits, AnthropicTrait.LACKS) if lacking else traits,
        retry_after_s=retry_after_s,
    )


def _texts(outer: Mapping[str, object]) -> Iterator[str]:
    """Yield whatever may be the message, in lower case; a proxy's stand elsewhere than theirs."""
    error = outer.get("error")
    for text in (fields_of(error).get("message"), error, outer.get("message"), outer.get("detail")):
        if isinstance(text, str) and text:
            yield text.lower()
