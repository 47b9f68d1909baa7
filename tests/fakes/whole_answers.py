"""What the events of an answer come to."""

from collections.abc import Iterable
from contextlib import aclosing

from llmsvc_server.chat.events import ChatEvent, Delta, Done, pieces_in
from llmsvc_server.chat.parts import AnswerParts, Part
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.providers.base import ChatProvider
from tests.fakes.requests import limits_of


def fold(events: Iterable[ChatEvent]) -> tuple[tuple[Part, ...], Done]:
    """Return the parts of an answer, and its end.

    Raises:
        AssertionError: It has no end, or something behind it.
    """
    *before, end = events
    assert isinstance(end, Done)
    parts = AnswerParts()
    for event in before:
        assert not isinstance(event, Done)
        if isinstance(event, Delta):
            for piece in pieces_in(event):
                parts.add(piece)
    return parts.fold(), end


async def answer_of(provider: ChatProvider, request: ChatRequest) -> tuple[tuple[Part, ...], Done]:
    """Return what an adapter makes of a request, whole. Raises as the adapter, or as `fold`."""
    async with aclosing(provider.stream_chat(request, limits_of())) as events:
        return fold([event async for event in events])
