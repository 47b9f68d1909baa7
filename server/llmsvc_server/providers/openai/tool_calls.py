"""Tool calls out of one chunk: what stands there of each. Pure.

Forms: docs/facts/providers.md 1.8.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from llmsvc_server.providers.openai.chunks import Content
from llmsvc_server.providers.shared.tool_calls import unusable
from llmsvc_server.providers.shared.untyped import UNREADABLE, fields_of, text_of

_LEGACY = -1
"""Stands for the index of a `function_call`, of which there is one at most."""


class Entry(NamedTuple):
    """What one chunk says of one call: "" is what it does not say, and no index is None."""

    place: int | None
    id: str
    name: str
    arguments: str


class _Function(msgspec.Struct, frozen=True):
    arguments: msgspec.Raw = msgspec.Raw()


class _RawCall(msgspec.Struct, frozen=True):
    function: _Function | None = None


class _RawContent(msgspec.Struct, frozen=True):
    tool_calls: tuple[_RawCall | None, ...] | _RawCall | None = None
    function_call: _Function | None = None


class _RawChoice(msgspec.Struct, frozen=True):
    index: object = 0
    delta: _RawContent | None = None
    message: _RawContent | None = None


class _RawChunk(msgspec.Struct, frozen=True):
    choices: tuple[_RawChoice, ...] | None = ()


_raw_chunks = msgspec.json.Decoder(_RawChunk)


def read_calls(content: Content, data: bytes) -> Iterator[Entry]:
    """Yield what is said of calls, in order.

    Args:
        content: Has calls.
        data: The JSON that it stands in.

    Raises:
        ProviderError: NONCONFORMING. It can't be told what arguments there are.
    """
    for number, entry in enumerate(_entries(content)):
        function = fields_of(entry.get("function"))
        arguments = function.get("arguments")
        if not isinstance(arguments, str):
            arguments = "" if arguments is None else _written(data, number)
        index = entry.get("index")
        yield Entry(
            index if isinstance(index, int) else None,
            text_of(entry.get("id")),
            text_of(function.get("name")),
            arguments,
        )


def _entries(content: Content) -> Sequence[Mapping[str, object]]:
    calls = content.tool_calls or ()
    several = calls if isinstance(calls, list) else (calls,) if calls else ()
    entries = [fields_of(one) for one in several if one is not None]
    if content.function_call:
        entries.append({"index": _LEGACY, "function": content.function_call})
    return entries


def _written(data: bytes, number: int) -> str:
    """Return arguments that are no text as they were written: some servers send the object itself.

    Raises:
        ProviderError: NONCONFORMING. It can't be told what they are.
    """
    try:
        chunk = _raw_chunks.decode(data)
        choice = next(one for one in chunk.choices or () if not one.index or one.index == "0")
        content = choice.delta or choice.message or _RawContent()
        calls = content.tool_calls or ()
        several = calls if isinstance(calls, tuple) else (calls,)
        functions = [one.function for one in several if one is not None]
        function = [*functions, content.function_call][number]
        return "" if function is None else bytes(function.arguments).decode()
    except (*UNREADABLE, StopIteration, IndexError):
        raise unusable() from None
