"""Anthropic Messages in bytes: a request of ours encoded, events of an answer decoded. Pure.

Fields and types: docs/facts/providers.md 2.1 to 2.4. What the answer needs is typed. What only says
more about it is taken as it comes and looked at later, so that no odd extra breaks an answer.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.anthropic.features import (
    NO_EXTRAS,
    Choice,
    Declaration,
    Extras,
    OutputConfig,
)
from llmsvc_server.providers.anthropic.messages import Turn, turns_of, turns_of_any_parts
from llmsvc_server.providers.anthropic.settings import Settings
from llmsvc_server.providers.shared.decoder import Decoder
from llmsvc_server.providers.shared.sse import ServerEvent
from llmsvc_server.providers.shared.turns import is_blank, system_text


class _Request(msgspec.Struct, omit_defaults=True, kw_only=True, frozen=True, gc=False):
    model: str
    max_tokens: int
    messages: list[Turn]
    stream: bool
    system: str = ""
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: tuple[str, ...] = ()
    tools: Sequence[Declaration] = ()
    tool_choice: Choice | None = None
    output_config: OutputConfig | None = None


class Block(msgspec.Struct, frozen=True, gc=False):
    """What a block begins with."""

    type: object = None
    text: object = None
    id: object = None
    name: object = None
    input: object = None


class Piece(msgspec.Struct, frozen=True, gc=False):
    """More of a block. Absent and null are empty."""

    type: object = None
    text: object = None
    partial_json: object = None


class Stop(msgspec.Struct, frozen=True, gc=False):
    """Why an answer ended; null as long as it goes on."""

    stop_reason: object = None
    stop_sequence: object = None


class Message(msgspec.Struct, frozen=True, gc=False):
    """An answer at its beginning, or in one body a whole one or an error instead."""

    type: object = None
    id: object = None
    content: tuple[Block, ...] | None = ()
    stop_reason: object = None
    stop_sequence: object = None
    usage: object = None
    error: object = None


class Opening(msgspec.Struct, frozen=True, gc=False):
    """An answer of which nothing has come yet."""

    id: object = None
    usage: object = None


class MessageStart(msgspec.Struct, frozen=True, gc=False):
    """The first event of an answer."""

    message: Opening | None = None


class BlockStart(msgspec.Struct, frozen=True, gc=False):
    """A new block of text, thinking or what we never ask for."""

    content_block: Block


class BlockDelta(msgspec.Struct, frozen=True, gc=False):
    """More of a block."""

    delta: Piece


class MessageDelta(msgspec.Struct, frozen=True, gc=False):
    """What has become known of the answer as a whole; usage counts from its beginning."""

    delta: Stop | None = None
    usage: object = None


class MessageStop(msgspec.Struct, frozen=True, gc=False):
    """Nothing follows."""


class Failure(msgspec.Struct, frozen=True, gc=False):
    """An error under 200; what it says is read elsewhere."""


class _Kind(msgspec.Struct, frozen=True, gc=False):
    type: object = None
    error: object = None


Event: TypeAlias = MessageStart | BlockStart | BlockDelta | MessageDelta | MessageStop | Failure

_encoder = msgspec.json.Encoder()
kinds = Decoder(_Kind)
messages = Decoder(Message)
"""Decodes the answer that came in one body."""

_decoders: Mapping[bytes, Decoder[Event]] = {
    b"message_start": Decoder(MessageStart),
    b"content_block_start": Decoder(BlockStart),
    b"content_block_delta": Decoder(BlockDelta),
    b"message_delta": Decoder(MessageDelta),
    b"message_stop": Decoder(MessageStop),
}
_ERROR = b"error"
_SILENT = frozenset({b"ping", b"content_block_stop"})


def encode_chat(request: ChatRequest, settings: Settings, extras: Extras = NO_EXTRAS) -> bytes:
    """Return the body that asks for a streamed answer.

    The system messages, wherever they stand, become the one text that there is a place for. Blank
    turns are left out, since the server refuses the request for one, and what then are neighbours
    of one role is joined.

    Args:
        request: What to run; `model` in the provider's spelling.
        settings: What to send of its sampling.
        extras: What its features come to.

    Raises:
        ProviderError: CALLER. The last turn says nothing.
    """
    plain = request.is_plain
    turns = turns_of(request.messages) if plain else turns_of_any_parts(request.messages)
    last = turns[-1].content
    if not last or (isinstance(last, str) and is_blank(last)):
        raise ProviderError(ErrorKind.CALLER, param="messages", called=False)
    document = _Request(
        model=request.model,
        max_tokens=settings.max_tokens,
        messages=turns,
        stream=True,
        system=system_text(request.messages),
        temperature=settings.temperature,
        top_p=settings.top_p,
        top_k=settings.top_k,
        stop_sequences=settings.stop_sequences,
        tools=extras.tools,
        tool_choice=extras.tool_choice,
        output_config=extras.output_config,
    )
    return _encoder.encode(document)


def decode_event(event: ServerEvent) -> Event | None:
    """Return what an event says; None if that is nothing, or something that we do not know.

    Its name decides, and the `type` in its data where the name is none of those we know.

    Raises:
        ProviderError: PROTOCOL. Its data are no JSON, or not such an event's, or hold too much.
    """
    name, data = event
    if name in _SILENT:
        return None
    if name == _ERROR:
        return Failure()  # whatever its data are
    if not data.startswith(b"{") and (event.is_end or event.says_nothing):
        return MessageStop() if event.is_end else None  # of proxies for OpenAI's clients too
    decoder = _decoders.get(name)
    if decoder is None:
        named = kinds.decode(data)
        name = _name_of(named)
        if name == _ERROR or named.error:  # a proxy's own has no type
            return Failure()
        decoder = _decoders.get(name)
    return None if decoder is None else decoder.decode(data)


def reread_event(event: ServerEvent) -> Event | None:
    """Return what an event says that `decode_event` refuses, if it can be read leniently.

    Raises:
        ProviderError: PROTOCOL. It can't.
    """
    name, data = event
    if name not in _decoders:
        name = _name_of(kinds.reread(data))
    if name == _ERROR:
        return Failure()
    decoder = _decoders.get(name)
    return None if decoder is None else decoder.reread(data)


def _name_of(kind: _Kind) -> bytes:
    return kind.type.encode(errors="replace") if isinstance(kind.type, str) else b""
