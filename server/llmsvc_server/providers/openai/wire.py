"""A request of ours as the body of a chat completion. Pure.

Fields and types: docs/facts/providers.md 1.1.
"""

from collections.abc import Sequence

import msgspec

from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.request import ChatRequest, Sampling
from llmsvc_server.providers.openai.features import (
    NO_EXTRAS,
    Choice,
    Declaration,
    Extras,
    Format,
)
from llmsvc_server.providers.openai.messages import AnyTurn, turns_of, turns_of_any_parts

NEW_LIMIT_FIELD = "max_completion_tokens"
"""The field for a bound on the answer's tokens; older servers know `max_tokens` only."""

OLD_LIMIT_FIELD = "max_tokens"

_ONLY_LOCAL = ("top_k", "min_p", "repeat_penalty")
"""What vLLM and llama.cpp take; hosted services refuse unknown fields, or ignore them in silence."""


class _StreamOptions(msgspec.Struct, frozen=True, gc=False):
    include_usage: bool


class _Request(msgspec.Struct, omit_defaults=True, kw_only=True, frozen=True, gc=False):
    model: str
    messages: Sequence[AnyTurn]
    stream: bool
    stream_options: _StreamOptions | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    store: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    top_k: int | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    repetition_penalty: float | None = None
    tools: Sequence[Declaration] = ()
    tool_choice: str | Choice | None = None
    parallel_tool_calls: bool | None = None
    response_format: Format | None = None


_USAGE = _StreamOptions(include_usage=True)
_encoder = msgspec.json.Encoder()


def encode_chat(  # noqa: PLR0913  plain settings, all by keyword
    request: ChatRequest,
    *,
    max_tokens: int | None,
    token_limit_field: str,
    has_usage: bool,
    temperature: float | None,
    is_openai: bool,
    is_local: bool,
    has_short_ids: bool = False,
    extras: Extras = NO_EXTRAS,
) -> bytes:
    """Return the body that asks for a streamed answer.

    Args:
        request: What to run; `model` in the provider's spelling.
        max_tokens: Most tokens of the answer, at least 1; None for no limit.
        token_limit_field: "max_completion_tokens" or "max_tokens"; never both are sent.
        has_usage: Whether to ask for the answer's usage.
        temperature: For requests that set none; None leaves it to the model.
        is_openai: Whether it is OpenAI's own service, which is asked not to keep the answer.
        is_local: Whether it is an engine such as vLLM or llama.cpp, which samples in more ways.
        has_short_ids: Whether ids of calls have nine letters and digits.
        extras: Tools and format, where the request has any.
    """
    sampling = request.sampling
    messages: Sequence[AnyTurn]
    if request.is_plain:
        messages = list(turns_of(request.messages, is_local=is_local))
    else:
        messages = list(
            turns_of_any_parts(
                request.messages,
                is_local=is_local,
                has_short_ids=has_short_ids,
                has_refusals=is_openai,
                rule=extras.rule,
            )
        )
    has_new_limit = token_limit_field == NEW_LIMIT_FIELD
    document = _Request(
        model=request.model,
        messages=messages,
        stream=True,
        stream_options=_USAGE if has_usage else None,
        max_completion_tokens=max_tokens if has_new_limit else None,
        max_tokens=None if has_new_limit else max_tokens,
        store=False if is_openai else None,
        temperature=temperature if sampling.temperature is None else sampling.temperature,
        top_p=sampling.top_p,
        frequency_penalty=sampling.frequency_penalty,
        presence_penalty=sampling.presence_penalty,
        seed=sampling.seed,
        stop=sampling.stop_sequences,
        top_k=sampling.top_k if is_local else None,
        min_p=sampling.min_p if is_local else None,
        # llama.cpp's name and vLLM's, for one thing; each passes over the other's.
        repeat_penalty=sampling.repeat_penalty if is_local else None,
        repetition_penalty=sampling.repeat_penalty if is_local else None,
        tools=extras.tools,
        tool_choice=extras.tool_choice,
        parallel_tool_calls=extras.parallel_tool_calls,
        response_format=extras.response_format,
    )
    return _encoder.encode(document)


def find_left_out(sampling: Sampling, *, is_local: bool) -> tuple[Adjustment, ...]:
    """Return an adjustment for each setting of a caller's that `encode_chat` does not send."""
    if is_local:
        return ()
    return tuple(
        Adjustment(
            field=f"generation_config.{name}",
            action=Action.IGNORED,
            description="The provider has no such setting.",
        )
        for name in _ONLY_LOCAL
        if getattr(sampling, name) is not None
    )
