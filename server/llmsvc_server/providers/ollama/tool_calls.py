"""Tools for an Ollama, and the calls that come back. Pure.

Forms: docs/facts/ollama.md 2 and 3.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from llmsvc_server.chat.adjustment import Adjustment
from llmsvc_server.chat.features import Features
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.shared.fences import fence_parameters
from llmsvc_server.providers.shared.lenient import write_strictly
from llmsvc_server.providers.shared.untyped import UNREADABLE

_NO_CALLS = frozenset({b"", b"null", b"[]", b'""', b"{}", b"false", b"0"})


class _Declared(msgspec.Struct, omit_defaults=True, frozen=True):
    name: str
    parameters: Mapping[str, Any]
    description: str = ""


class Tool(msgspec.Struct, frozen=True):
    """A function that the model may call."""

    type: str
    function: _Declared


class _Function(msgspec.Struct, frozen=True):
    name: object = None
    arguments: msgspec.Raw = msgspec.Raw()


class _Call(msgspec.Struct, frozen=True):
    id: object = None
    function: _Function = _Function()


class Call(msgspec.Struct, frozen=True):
    """A call as it came: its id may be anything, its name too."""

    id: object
    name: object
    arguments_json: str


_NOTHING = (b"", b"null")
_calls = msgspec.json.Decoder(list[_Call])


def declare(features: Features) -> tuple[Sequence[Tool], tuple[Adjustment, ...]]:
    """Return the tools that may be called, and what of their schemas is left out."""
    fenced, adjustments = fence_parameters(features)
    tools = [
        Tool("function", _Declared(one.tool.name, one.parameters, one.tool.description))
        for one in fenced
    ]
    return tools, adjustments


def has_calls(value: object) -> bool:
    """Return whether a line has calls. Anything may be in their place."""
    return bytes(value) not in _NO_CALLS if isinstance(value, msgspec.Raw) else bool(value)


def read_calls(value: object) -> Sequence[Call]:
    """Return the calls of one line, their arguments as the model wrote them.

    Args:
        value: As the line has it; the values themselves where it had to be read leniently.

    Raises:
        ProviderError: PROTOCOL. They can't be read.
    """
    try:
        raw = value if isinstance(value, msgspec.Raw) else write_strictly(value)
        return [
            Call(one.id, one.function.name, _text(one.function.arguments))
            for one in _calls.decode(raw)
        ]
    except UNREADABLE:
        raise ProviderError(ErrorKind.PROTOCOL, row="C08") from None


def _text(arguments: msgspec.Raw) -> str:
    """Return arguments as a text: servers that pass for an Ollama send one, as OpenAI's do."""
    written = bytes(arguments)
    if written.startswith(b'"'):
        return str(msgspec.json.decode(written))
    return "{}" if written in _NOTHING else written.decode(errors="replace")
