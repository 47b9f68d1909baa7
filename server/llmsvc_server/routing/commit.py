"""The commit point: the first content, after which no other candidate is asked."""

from llmsvc_server.chat.events import ChatEvent, ChatEvents, Delta, Done
from llmsvc_server.errors import ProviderProtocolError


def commits(event: ChatEvent) -> bool:
    """Return whether an event is content, or the end of an empty answer."""
    return bool(event.text) if isinstance(event, Delta) else isinstance(event, Done)


async def rest_of_answer(held: list[ChatEvent], events: ChatEvents, *, most_bytes: int) -> None:
    """Add everything up to the end of the answer to `held`, `most_bytes` of text in UTF-8 at most.

    Raises:
        ProviderError: The attempt failed before its end, or its answer has no end in sight.
    """
    length = 0
    for event in held:
        if isinstance(event, Delta):
            length += len(event.text.encode())
    async for event in events:
        if isinstance(event, Delta):
            length += len(event.text.encode())
            if length > most_bytes:
                # As if it came from there, so that the wrappers see it too.
                await events.athrow(ProviderProtocolError(phase="stream"))
        held.append(event)
