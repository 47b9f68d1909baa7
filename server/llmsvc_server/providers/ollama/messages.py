"""A conversation as Ollama's /api/chat takes it. Pure.

Keys and types: docs/facts/ollama.md 2.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from llmsvc_server.chat.parts import ToolCall, ToolResult, text_of
from llmsvc_server.chat.request import Message, Role
from llmsvc_server.providers.shared.tool_calls import told


class Text(msgspec.Struct, frozen=True, gc=False):
    """A message that is a text."""

    role: str
    content: str


class _Function(msgspec.Struct, frozen=True):
    index: int
    name: str
    arguments: msgspec.Raw


class _Call(msgspec.Struct, frozen=True):
    id: str
    function: _Function


class _Calls(msgspec.Struct, frozen=True):
    role: str
    content: str
    tool_calls: Sequence[_Call]


class _Result(msgspec.Struct, frozen=True):
    role: str
    content: str
    tool_name: str
    tool_call_id: str


Turn = Text | _Calls | _Result


def turns_of_texts(messages: Sequence[Message]) -> list[Turn]:
    """Return messages of texts alone, without those that say nothing; see `_stays`."""
    last = messages[-1]
    return [
        Text(one.role, text)
        for one in messages
        if (text := text_of(one.parts)) or _stays(one, last)
    ]


def turns(messages: Sequence[Message]) -> list[Turn]:
    """Return messages of any parts: each result of a call is one of its own."""
    names: dict[str, str] = {}
    every: list[Turn] = []
    for message in messages:
        role = message.role
        if role is Role.TOOL:
            every.extend(_results(message, names))
        elif calls := [part for part in message.parts if isinstance(part, ToolCall)]:
            names.update({call.id: call.name for call in calls})
            every.append(_Calls(role, message.text, tuple(_calls(calls))))
        elif (text := message.text) or _stays(message, messages[-1]):
            every.append(Text(role, text))
    return every


def _stays(message: Message, last: Message) -> bool:
    """Return whether a message is sent although it has no text.

    The last one says what is asked for, and a system's takes the place of the model's own.
    """
    return message is last or message.role is Role.SYSTEM


def _calls(calls: Sequence[ToolCall]) -> Iterator[_Call]:
    for index, call in enumerate(calls):
        arguments = msgspec.Raw(call.arguments_json.encode())
        yield _Call(call.id, _Function(index, call.name, arguments))


def _results(message: Message, names: Mapping[str, str]) -> Iterator[Turn]:
    """Yield results with both keys: models read the one or the other, as their templates do."""
    for part in message.parts:
        if isinstance(part, ToolResult):
            name = names.get(part.call_id, "")
            yield _Result(message.role, told(part), name, part.call_id)
