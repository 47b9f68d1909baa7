"""A stream of events, folded into the one reply that unary Chat gives."""

from dataclasses import dataclass, field

from llmsvc_server.chat.events import ChatEvents, Delta, Done, Started
from llmsvc_server.chat.parts import AnswerParts, Part
from llmsvc_server.chat.route import Route


@dataclass(slots=True)
class ChatReply:
    """A whole answer: its parts, its end, and who gave it."""

    parts: tuple[Part, ...] = field(repr=False)
    done: Done
    route: Route


async def fold(events: ChatEvents) -> ChatReply:
    """Return the whole answer of one routed stream.

    Args:
        events: A router's events: one `Started`, any number of `Delta`, one `Done`. The caller
            closes them.
    """
    parts = AnswerParts()
    started: Started | None = None
    async for event in events:
        if isinstance(event, Delta):
            parts.add_text(event.text)
        elif isinstance(event, Started):
            started = event
        elif isinstance(event, Done):
            assert started is not None  # noqa: S101  the router's promise, checked by its tests
            return ChatReply(parts.fold(), event, started.route)
    raise AssertionError("a routed stream ended without Done")
