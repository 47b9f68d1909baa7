"""What Anthropic refuses of a request, as far as a client of ours could get it wrong.

Source: docs/facts/providers.md 2.1, 2.2, 2.6 and 2.7; of the newer version of the protocol, the
vendor's client 2.14, which sends it, and its page of versions.
"""

from collections.abc import Collection, Iterator, Mapping
from http import HTTPStatus

from tests.fakes.anthropic_blocks import block_faults
from tests.fakes.anthropic_stage import error_of
from tests.fakes.ollama_record import Json

VERSION = "2023-06-01"
NEWER_VERSION = "2026-10-21"
"""Has no sampling parameters for any model."""

_SAMPLING = {"temperature", "top_p", "top_k"}
_FEATURES = {"tools", "tool_choice", "output_config"}
_FIELDS = {
    "model",
    "messages",
    "max_tokens",
    "system",
    "stream",
    "stop_sequences",
    *_SAMPLING,
    *_FEATURES,
}
_NO_SAMPLING = ("claude-opus-4-7", "claude-opus-4-8", "claude-opus-5", "claude-fable")
_ONE_SAMPLING = ("claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5")

Refusal = tuple[HTTPStatus, Json]


def refusal_of(headers: Mapping[str, str], asked: Json, api_key: str) -> Refusal | None:
    """Return status and body with which a request is refused; None if it is fine."""
    named = {name.lower(): value for name, value in headers.items()}
    bearer = named.get("authorization", "").removeprefix("Bearer ")
    if api_key not in {named.get("x-api-key"), bearer}:
        return HTTPStatus.UNAUTHORIZED, error_of("authentication_error", "invalid x-api-key")
    if "origin" in named:
        wrong = "CORS requests are not allowed"
        return HTTPStatus.UNAUTHORIZED, error_of("authentication_error", wrong)
    version = named.get("anthropic-version")
    if version not in {VERSION, NEWER_VERSION}:
        return _invalid("anthropic-version: header is required")
    if named.get("content-type") != "application/json":
        return _invalid("content-type: must be application/json")
    fields = _FIELDS if version == VERSION else _FIELDS - _SAMPLING
    wrong = next(_faults(asked, fields), "")
    return _invalid(wrong) if wrong else None


def _invalid(text: str) -> Refusal:
    return HTTPStatus.BAD_REQUEST, error_of("invalid_request_error", text)


def _faults(asked: Json, fields: Collection[str]) -> Iterator[str]:
    yield from (f"{name}: Extra inputs are not permitted" for name in asked.keys() - fields)
    yield from (
        f"{name}: Field required"
        for name in ("model", "messages", "max_tokens")
        if name not in asked
    )
    max_tokens, messages = asked.get("max_tokens"), asked.get("messages")
    if not isinstance(max_tokens, int) or max_tokens < 1:
        yield "max_tokens: must be greater than or equal to 1"
    if not isinstance(messages, list) or not messages:
        yield "messages: at least one message is required"
        return
    for message in messages:
        if message["role"] not in {"user", "assistant"}:
            yield f'messages: Unexpected role "{message["role"]}"'
    yield from block_faults(asked)
    stop = asked.get("stop_sequences")
    if isinstance(stop, list) and not all(one.strip() for one in stop):
        yield "stop_sequences: each stop sequence must contain non-whitespace"
    yield from _sampling_faults(asked)


def _sampling_faults(asked: Json) -> Iterator[str]:
    model, temperature = str(asked.get("model")), asked.get("temperature")
    if isinstance(temperature, int | float) and not 0 <= temperature <= 1:
        yield "temperature: range: 0..1"
    if model.startswith(_NO_SAMPLING):
        yield from (
            f"`{name}` is deprecated for this model." for name in _SAMPLING if name in asked
        )
    if model.startswith(_ONE_SAMPLING) and {"temperature", "top_p"} <= asked.keys():
        yield "`temperature` and `top_p` cannot both be specified for this model."
