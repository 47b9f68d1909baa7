"""Ollama's /api/chat in bytes: a request of ours encoded, lines of an answer decoded. Pure.

Keys and types: docs/facts/ollama.md 2, 3 and 9.
"""

from collections.abc import Sequence

import msgspec

from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.providers.ollama.features import NO_EXTRAS, Extras, Format
from llmsvc_server.providers.ollama.messages import Turn, turns, turns_of_texts
from llmsvc_server.providers.ollama.tool_calls import Tool
from llmsvc_server.providers.shared.decoder import Decoder


class _Options(msgspec.Struct, omit_defaults=True, kw_only=True, frozen=True, gc=False):
    num_ctx: int | None = None
    num_predict: int
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repeat_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


class _Request(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    model: str
    messages: Sequence[Turn]
    stream: bool = True
    think: bool = False
    truncate: bool = False
    shift: bool = False
    keep_alive: int
    options: _Options
    tools: Sequence[Tool] | msgspec.UnsetType = msgspec.UNSET
    format: Format | msgspec.UnsetType = msgspec.UNSET


class _Runner(msgspec.Struct, omit_defaults=True, kw_only=True, frozen=True, gc=False):
    num_ctx: int | None = None


class _Residency(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    model: str
    messages: tuple[()] = ()
    stream: bool = True
    shift: bool = False
    keep_alive: int
    options: _Runner


class Content(msgspec.Struct, frozen=True, gc=False):
    """What the model wrote. Absent and null are empty. Content is a text; of a proxy maybe parts.

    Calls are `msgspec.Raw`, so that their bytes are kept; values where it was read leniently.
    """

    content: object = None
    thinking: object = None
    tool_calls: object = None


class Line(msgspec.Struct, frozen=True, gc=False):
    """One object of an answer, as far as we read it. `cloud_status` comes from the vendor's cloud.

    What the answer needs is typed: its content. The rest is taken as it comes and looked at later, so
    that no odd extra breaks an answer.
    """

    message: Content | None = None
    done: object = None
    done_reason: object = None
    prompt_eval_count: object = None
    eval_count: object = None
    prompt_eval_cached_count: object = None
    load_duration: object = None
    prompt_eval_duration: object = None
    eval_duration: object = None
    error: object = None
    cloud_status: object = msgspec.field(name="StatusCode", default=None)
    remote_host: object = None
    remote_model: object = None


class _RawContent(Content, frozen=True, gc=False):
    tool_calls: msgspec.Raw = msgspec.Raw()


class _RawLine(Line, frozen=True, gc=False):
    message: _RawContent | None = None


_encoder = msgspec.json.Encoder()
_lines = Decoder(_RawLine)
decode_lines = _lines.decode_lines
"""Returns the objects of whole lines; blank lines hold none."""

decode_few = _lines.decode_few
"""The same of at most `SHORT_BYTES`, but raises `UNREADABLE`."""


def encode_chat(  # noqa: PLR0913  what the server is set to, by keyword
    request: ChatRequest,
    *,
    num_ctx: int | None,
    num_predict: int,
    keep_alive_s: int,
    temperature: float | None,
    extras: Extras = NO_EXTRAS,
) -> bytes:
    """Return the body that asks for a streamed answer.

    `truncate`, `shift` and `keep_alive` are the same in every request, and so is the window: an
    overflow becomes an error instead of a silent cut, and no caller makes the model reload.

    Args:
        request: What to run; `model` in Ollama's spelling.
        num_ctx: Context window in tokens; None leaves it to Ollama.
        num_predict: Most tokens of the answer, at least 1.
        keep_alive_s: Seconds the model stays in memory afterwards; -1 for ever.
        temperature: For requests that set none; None leaves it to the model.
        extras: Tools and format, where the request has any.
    """
    sampling = request.sampling
    plain = request.is_plain
    messages = turns_of_texts(request.messages) if plain else turns(request.messages)
    document = _Request(
        model=request.model,
        messages=messages,
        keep_alive=keep_alive_s,
        options=_Options(
            num_ctx=num_ctx,
            num_predict=num_predict,
            temperature=temperature if sampling.temperature is None else sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            min_p=sampling.min_p,
            frequency_penalty=sampling.frequency_penalty,
            presence_penalty=sampling.presence_penalty,
            repeat_penalty=sampling.repeat_penalty,
            seed=sampling.seed,
            stop=sampling.stop_sequences,
        ),
        tools=extras.tools,
        format=extras.format,
    )
    return _encoder.encode(document)


def encode_residency(model: str, *, num_ctx: int | None, keep_alive_s: int) -> bytes:
    """Return the body that brings a model into memory, or out of it.

    What a runner is started with is the same as in real requests: else those would reload it.

    Args:
        model: In Ollama's spelling.
        num_ctx: Context window in tokens; None leaves it to Ollama.
        keep_alive_s: Seconds the model stays in memory; -1 for ever, 0 frees it.
    """
    return _encoder.encode(
        _Residency(model=model, keep_alive=keep_alive_s, options=_Runner(num_ctx=num_ctx))
    )
