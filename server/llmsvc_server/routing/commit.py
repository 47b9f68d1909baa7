"""The commit point: the first content, after which no other candidate is asked."""

from llmsvc_server.chat.events import ChatEvents, Delta, Done, Started
from llmsvc_server.errors import ProviderProtocolError

MAX_WHOLE_BYTES = 8 * 1024 * 1024
"""Longest answer that is held back for a unary call (failover.md 3.2)."""


async def until_content(events: ChatEvents) -> list[Started | Delta | Done]:
    """Return the first content, or the end of an empty answer, and nothing before it.

    Raises:
        ProviderError: The attempt failed before any content.
    """
    async for event in events:
        if isinstance(event, Done) or (isinstance(event, Delta) and event.text):
            return [event]
    raise ProviderProtocolError(phase="first_token")


async def rest_of_answer(held: list[Started | Delta | Done], events: ChatEvents) -> None:
    """Add everything up to the end of the answer to `held`.

    Raises:
        ProviderError: The attempt failed before its end, or its answer has no end in sight.
    """
    length = sum(len(event.text.encode()) for event in held if isinstance(event, Delta))
    async for event in events:
        if isinstance(event, Delta):
            length += len(event.text.encode())
            if length > MAX_WHOLE_BYTES:
                raise ProviderProtocolError(phase="stream")
        held.append(event)
