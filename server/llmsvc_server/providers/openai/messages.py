"""A conversation as turns of chat completions. Pure.

Source: docs/facts/providers.md 1.2.
"""

from collections.abc import Iterator, Sequence

import msgspec

from llmsvc_server.chat.request import Message, Role
from llmsvc_server.providers.shared.turns import merge_turns, select_turns, system_text


class Turn(msgspec.Struct, frozen=True, gc=False):
    """One turn of texts alone."""

    role: str
    content: str


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
