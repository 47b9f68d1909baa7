"""A stream of events, folded into the one reply that unary Chat gives."""

from collections.abc import Callable
from dataclasses import dataclass, field

from llmsvc_server.chat.events import ChatEvents, Delta, Done, Started, Waiting
from llmsvc_server.chat.route import Route


@dataclass(slots=True)
class ChatReply:
    """A whole answer: its text, its end, who gave it, and when its first content had come."""

    text: str = field(repr=False)
    done: Done
    route: Route
    content_at_s: float | None = None


async def fold(events: ChatEvents, *, waits: Callable[[Waiting], None]) -> ChatReply:
    """Return the whole answer of one routed stream.

    Args:
        events: A router's events: any number of `Waiting`, one `Started`, any number of `Delta`,
            one `Done`. The caller closes them.
        waits: Told of what is waited for.
    """
    pieces: list[str] = []
    started: Started | None = None
    async for event in events:
        if isinstance(event, Delta):
            pieces.append(event.text)
        elif isinstance(event, Started):
            started = event
        elif isinstance(event, Waiting):
            waits(event)
        else:
            assert started is not None  # noqa: S101  the router's promise, checked by its tests
            return ChatReply("".join(pieces), event, started.route, started.content_at_s)
    raise AssertionError("a routed stream ended without Done")
