"""What such a provider says when it refuses or fails, taken apart: no meaning yet.

Shapes: docs/facts/providers.md 1.6.
"""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum

from llmsvc_server.providers.openai import google
from llmsvc_server.providers.openai.lacks import lacking_in
from llmsvc_server.providers.shared.error_signal import ErrorSignal, Trait, read_signal
from llmsvc_server.providers.shared.lenient import read_anything
from llmsvc_server.providers.shared.statuses import status_in
from llmsvc_server.providers.shared.untyped import fields_of, text_of

_FIELDS = (
    "model|messages|stream|stream_options|max_completion_tokens|max_tokens|store|temperature|top_p|"
    "frequency_penalty|presence_penalty|seed|stop|top_k|min_p|repeat_penalty|repetition_penalty|"
    "tools|tool_choice|parallel_tool_calls|response_format"
)
_WITHIN = (
    "role|content|include_usage|tool_calls|tool_call_id|id|type|function|name|description|"
    "parameters|arguments|strict|json_schema|schema"
)
_PARAM = re.compile(rf"(?:{_FIELDS})(?:\.(?:{_WITHIN})|\.?\[?\d{{1,6}}\]?)*")
"""A field that we send, or a part of one. In anything else a provider could quote the prompt."""

_MAX_DETAILS = 20


class OpenaiTrait(StrEnum):
    """What a refusal or an error is, of such providers' own."""

    LOCAL = "local"
    """It comes from an engine in the operator's network."""
    REASONS = "reasons"
    """It tells why it refuses the content (OpenRouter's moderation)."""
    LACKS = "lacks"
    """It says that there are no tools, or no such format."""


def read_refusal(
    status: int, body: bytes, retry_after_s: float | None = None, *, is_local: bool = False
) -> ErrorSignal:
    """Return what a refusal says.

    Args:
        status: Its HTTP status.
        body: Its body. Anything may be in it.
        retry_after_s: From its headers.
        is_local: Whether the provider is in the operator's network.
    """
    return _read(status, _decode(body), set(), is_local=is_local, retry_after_s=retry_after_s)


def read_error(data: bytes, *, is_local: bool = False) -> ErrorSignal:
    """Return what an error inside an answer under 200 says.

    Args:
        data: The event's data, or the whole body. Anything may be in it.
        is_local: Whether the provider is in the operator's network.
    """
    document = _decode(data)
    # In an event whose name alone makes it an error, the data are the error.
    status = status_in(fields_of(_error_in(document)), fields_of(document))
    return _read(status, document, {Trait.IN_ANSWER, Trait.ERROR}, is_local=is_local)


def has_error(data: bytes) -> bool:
    """Return whether data that are no chunk say an error all the same."""
    return bool(_error_in(_decode(data)))


def _read(
    status: int | None,
    document: object,
    traits: set[str],
    *,
    is_local: bool,
    retry_after_s: float | None = None,
) -> ErrorSignal:
    error = fields_of(_error_in(document))
    fields = error or fields_of(document)  # beside a message that stands alone
    if error:
        traits.add(Trait.ERROR)
    if is_local:
        traits.add(OpenaiTrait.LOCAL)
    if fields_of(fields.get("metadata")).get("reasons"):
        traits.add(OpenaiTrait.REASONS)
    texts = list(_texts(document))
    lacking = lacking_in(texts)
    if lacking:
        traits.add(OpenaiTrait.LACKS)
    param = text_of(fields.get("param"))
    return read_signal(
        status,
        fields,
        texts,
        codes=_codes(fields),
        param=param if _PARAM.fullmatch(param) else lacking,
        traits=traits,
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
    yield from _details(outer.get("detail"))


def _details(detail: object) -> Iterator[str]:
    """Yield what FastAPI says of fields: where they stand, and what is wrong with them."""
    for one in detail[:_MAX_DETAILS] if isinstance(detail, list) else ():
        fields = fields_of(one)
        place = fields.get("loc")
        if isinstance(place, list):
            yield f"{'.'.join(map(str, place))} {text_of(fields.get('msg'))}".lower()


def _decode(data: bytes) -> object:
    document = read_anything(data)
    if isinstance(document, list) and len(document) == 1:
        return document[0]  # so does Google wrap its refusals
    return document
