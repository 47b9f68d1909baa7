"""What an Ollama says when it refuses, taken apart: no meaning yet."""

from collections.abc import Mapping
from enum import StrEnum

from llmsvc_server.providers.shared.error_signal import (
    MAX_ERROR_BYTES,
    ErrorSignal,
    Trait,
    read_signal,
)
from llmsvc_server.providers.shared.lenient import read_anything
from llmsvc_server.providers.shared.statuses import status_in
from llmsvc_server.providers.shared.untyped import fields_of, text_of

_NO_TOOLS = "does not support tools"
_OVERFLOW_TYPE = "exceed_context_size_error"


class OllamaTrait(StrEnum):
    """What the body of a refusal is, of this server's own."""

    EMPTY = "empty"
    SIGN_IN = "sign_in"
    """It sends people to the vendor's cloud."""
    CLOUD_STATUS = "cloud_status"
    """A status of the vendor's cloud, passed on."""
    OVERFLOW_TYPE = "overflow_type"
    """Its engine's own type for a prompt that is too long."""


def read_refusal(status: int, body: bytes, retry_after_s: float | None = None) -> ErrorSignal:
    """Return what a refusal says.

    Args:
        status: Its HTTP status.
        body: Its body. Anything may be in it.
        retry_after_s: From its headers.
    """
    outer = fields_of(read_anything(body))
    error = outer.get("error")
    traits: set[str] = set()
    if not body.strip():
        traits.add(OllamaTrait.EMPTY)
    if isinstance(error, str):
        traits.add(Trait.ERROR)
    if "signin_url" in outer:
        traits.add(OllamaTrait.SIGN_IN)
    if {"StatusCode", "Status"} <= outer.keys():
        traits.add(OllamaTrait.CLOUD_STATUS)
    return _read(status, error, traits, retry_after_s)


def read_error_line(error: object, *, of_cloud: bool) -> ErrorSignal:
    """Return what an error line under 200 says.

    Args:
        error: Its `error`, usually a text.
        of_cloud: Whether it passes on a status of the vendor's cloud.
    """
    traits: set[str] = {Trait.IN_ANSWER, Trait.ERROR}
    if of_cloud:
        traits.add(OllamaTrait.CLOUD_STATUS)
    return _read(status_in(_inner(error)), error, traits)  # a proxy's: Ollama itself tells none


def _read(
    status: int | None, error: object, traits: set[str], retry_after_s: float | None = None
) -> ErrorSignal:
    inner = dict(_inner(error))
    text = text_of(inner.get("message") or error)[:MAX_ERROR_BYTES].lower()
    if text_of(inner.pop("type", None)) == _OVERFLOW_TYPE:
        traits.add(OllamaTrait.OVERFLOW_TYPE)
    param = "tools" if _NO_TOOLS in text else ""
    return read_signal(
        status, inner, [text], param=param, traits=traits, retry_after_s=retry_after_s
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
