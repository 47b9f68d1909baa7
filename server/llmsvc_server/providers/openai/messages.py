"""A conversation as turns of chat completions. Pure.

Source: docs/facts/providers.md 1.2.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

import msgspec

from llmsvc_server.chat.parts import Refusal, ToolCall, ToolResult, text_of
from llmsvc_server.chat.request import Message, Role
from llmsvc_server.providers.shared.tool_calls import told
from llmsvc_server.providers.shared.turns import (
    is_blank,
    merge_turns,
    select_turns,
    system_text,
)

_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_SHORT_ID = re.compile(r"[A-Za-z0-9]{9}")


class Turn(msgspec.Struct, frozen=True, gc=False):
    """One turn of texts alone."""

    role: str
    content: str


class _Function(msgspec.Struct, frozen=True):
    name: str
    arguments: str


class _Call(msgspec.Struct, frozen=True):
    id: str
    function: _Function
    type: str = "function"


class _Declined(msgspec.Struct, frozen=True):
    refusal: str
    type: str = "refusal"


class _Spoken(msgspec.Struct, omit_defaults=True, frozen=True):
    """What an assistant says beside a text. Content is a refusal only where it is nothing else."""

    role: str
    content: str | Sequence[_Declined] | None
    tool_calls: Sequence[_Call] = ()
    refusal: str = ""


class _Result(msgspec.Struct, frozen=True):
    role: str
    content: str
    tool_call_id: str


AnyTurn = Turn | _Spoken | _Result


def turns_of(messages: Sequence[Message], *, is_local: bool) -> Iterator[Turn]:
    """Yield the turns, all system messages first, as one: some servers accept no other.

    Engines render turns by a model's own template, and many of those refuse two of one role.
    """
    if rules := system_text(messages):
        yield Turn(Role.SYSTEM.value, rules)
    turns = select_turns(messages)
    if is_local:
        for role, text in merge_turns(turns):
            yield Turn(role.value, text)
        return
    for one in turns:
        yield Turn(one.role.value, one.text)


def turns_of_any_parts(
    messages: Sequence[Message],
    *,
    is_local: bool,
    has_short_ids: bool,
    has_refusals: bool,
    rule: str,
) -> Iterator[AnyTurn]:
    """Yield the same of messages that may hold more than text: each result is a turn of its own.

    Args:
        messages: The conversation.
        is_local: Whether neighbours of one role become one.
        has_short_ids: Whether ids of calls have nine letters and digits.
        has_refusals: Whether refusals are told apart. Other servers than the vendor's refuse what
            they don't know: to them they are texts.
        rule: What the system's message says besides; may be empty.
    """
    rules = [text for text in (system_text(messages), rule) if text]
    if rules:
        yield Turn(Role.SYSTEM.value, "\n\n".join(rules))
    spell = _short_id if has_short_ids else _plain_id
    for role, group in _grouped(select_turns(messages), is_local=is_local):
        if role is Role.TOOL:
            yield from _results(group, spell)
        elif has_refusals and any(isinstance(part, Refusal) for part in group[0].parts):
            yield _declined(group[0], spell)
        else:
            yield _spoken(role, group, spell, nothing="" if is_local else None)


def _grouped(
    messages: Iterable[Message], *, is_local: bool
) -> Iterator[tuple[Role, Sequence[Message]]]:
    for role, group in groupby(messages, key=lambda one: one.role):
        if is_local:
            yield role, list(group)
        else:
            yield from ((role, (one,)) for one in group)


def _spoken(
    role: Role, group: Sequence[Message], spell: Callable[[str], str], nothing: str | None
) -> AnyTurn:
    """Return one turn; beside calls, `nothing` stands for no text.

    Templates of engines write null out as a word; services pass an empty text on to vendors who
    refuse it.
    """
    texts = [one.text for one in group]
    text = "\n\n".join(one for one in texts if not is_blank(one)) or texts[-1]
    calls = _calls(group, spell)
    if not calls:
        return Turn(role.value, text)
    return _Spoken(role.value, nothing if is_blank(text) else text, calls)


def _declined(message: Message, spell: Callable[[str], str]) -> AnyTurn:
    """Return a turn whose refusal is told apart: as its content where there is nothing else."""
    text, calls = text_of(message.parts), _calls([message], spell)
    refusal = "".join([part.text for part in message.parts if isinstance(part, Refusal)])
    role = message.role.value
    if is_blank(text) and not calls:
        return _Spoken(role, [_Declined(refusal)])
    return _Spoken(role, None if is_blank(text) else text, calls, refusal)


def _calls(group: Sequence[Message], spell: Callable[[str], str]) -> Sequence[_Call]:
    return tuple(
        _Call(spell(part.id), _Function(part.name, part.arguments_json))
        for one in group
        for part in one.parts
        if isinstance(part, ToolCall)
    )


def _results(group: Sequence[Message], spell: Callable[[str], str]) -> Iterator[_Result]:
    for one in group:
        for part in one.parts:
            if isinstance(part, ToolResult):
                yield _Result(Role.TOOL.value, told(part), spell(part.call_id))


def _plain_id(call_id: str) -> str:
    """Return an id as every such server takes it; OpenAI refuses more than 40 characters."""
    return call_id if _PLAIN_ID.fullmatch(call_id) else f"call_{_digest(call_id)[:24]}"


def _short_id(call_id: str) -> str:
    """Return an id as Mistral's models want it."""
    return call_id if _SHORT_ID.fullmatch(call_id) else _digest(call_id)[:9]


def _digest(call_id: str) -> str:
    return hashlib.sha256(call_id.encode()).hexdigest()
