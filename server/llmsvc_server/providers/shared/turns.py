"""A conversation as strict servers take it: no blank turns, and roles that alternate."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from llmsvc_server.chat.parts import Refusal
from llmsvc_server.chat.request import Message, Role


def select_turns(messages: Sequence[Message]) -> list[Message]:
    """Return the turns without the system's, and without blank ones before the last.

    Our own empty answer, sent back, is such a one. The last says what is asked for: it stays.
    """
    last = messages[-1]
    return [
        one
        for one in messages
        if one.role is not Role.SYSTEM and (one is last or not _says_nothing(one))
    ]


def _says_nothing(message: Message) -> bool:
    return is_blank(message.text) and all(isinstance(part, str | Refusal) for part in message.parts)


def merge_turns(messages: Sequence[Message]) -> Iterator[tuple[Role, str]]:
    """Yield role and text of each turn, neighbours of one role joined by a blank line."""
    for role, turns in groupby(messages, key=lambda one: one.role):
        yield role, "\n\n".join(one.text for one in turns)


def system_text(messages: Sequence[Message]) -> str:
    """Return the system's messages as one, joined by a blank line; "" if they say nothing."""
    texts = [one.text for one in messages if one.role is Role.SYSTEM]
    return "\n\n".join(text for text in texts if not is_blank(text))


def is_blank(text: str) -> bool:
    """Return whether a text holds nothing but white space."""
    return not text or text.isspace()
