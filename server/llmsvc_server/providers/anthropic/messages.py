"""A conversation as Anthropic's turns and blocks. Pure.

Source: docs/facts/providers.md 2.2.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

from llmsvc_server.chat.parts import ToolCall, ToolResult, written_in
from llmsvc_server.chat.request import Message, Role
from llmsvc_server.providers.shared.turns import is_blank, merge_turns, select_turns

_PLAIN_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Text(msgspec.Struct, tag_field="type", tag="text", frozen=True, gc=False):
    """What somebody says."""

    text: str


class ToolUse(msgspec.Struct, tag_field="type", tag="tool_use", frozen=True, gc=False):
    """A call, its arguments as the model wrote them."""

    id: str
    name: str
    input: msgspec.Raw


class Result(
    msgspec.Struct, tag_field="type", tag="tool_result", omit_defaults=True, frozen=True, gc=False
):
    """What came of a call."""

    tool_use_id: str
    content: str
    is_error: bool = False


AnyBlock = Text | ToolUse | Result


class Turn(msgspec.Struct, frozen=True, gc=False):
    """One turn: a text, or blocks where there is more than that."""

    role: str
    content: str | Sequence[AnyBlock]


def turns_of(messages: Sequence[Message]) -> list[Turn]:
    """Return the turns of messages that are texts alone."""
    return [Turn(role.value, text) for role, text in merge_turns(select_turns(messages))]


def turns_of_any_parts(messages: Sequence[Message]) -> list[Turn]:
    """Return the turns of messages that may hold more.

    All results of one turn stand in the next turn of the user, before what that says.
    """
    ids = _Ids()
    turns = []
    for role, group in groupby(select_turns(messages), key=_role_of):
        blocks = [block for message in group for block in _blocks(message, ids)]
        turns.append(Turn(role, blocks or ""))
    return turns


def _role_of(message: Message) -> str:
    return Role.USER.value if message.role is Role.TOOL else message.role.value


class _Ids:
    """Ids of calls as the server takes them; others' may hold anything, and come again in a later turn.

    What is sent of one conversation is the same each time: the server remembers prompts.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._latest: dict[str, str] = {}

    def spell(self, call_id: str) -> str:
        """Return an id for a call that no call before it has."""
        own = call_id if _PLAIN_ID.fullmatch(call_id) else _hashed(call_id)
        while own in self._taken:
            own = _hashed(f"{len(self._taken)} {own}")
        self._taken.add(own)
        self._latest[call_id] = own
        return own

    def of_result(self, call_id: str) -> str:
        """Return the id of the latest call that the conversation calls so."""
        return self._latest[call_id]


def _hashed(text: str) -> str:
    return f"call_{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def _blocks(message: Message, ids: _Ids) -> Iterator[AnyBlock]:
    for part in message.parts:
        if isinstance(part, ToolCall):
            written = msgspec.Raw(part.arguments_json.encode())
            yield ToolUse(ids.spell(part.id), part.name, written)
        elif isinstance(part, ToolResult):
            yield Result(ids.of_result(part.call_id), part.content, part.failed)
        elif not is_blank(said := written_in(part)):
            yield Text(said)
