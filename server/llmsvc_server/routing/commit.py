"""The commit point: the first content, after which no other candidate is asked."""

from llmsvc_server.chat.events import ChatEvent, ChatEvents, Delta, Done, Waiting
from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.held import Share


def commits(event: ChatEvent) -> bool:
    """Return whether an event is content, or the end of an empty answer."""
    return bool(event.text) if isinstance(event, Delta) else isinstance(event, Done)


async def first_content(events: ChatEvents, receipt: Receipt) -> list[ChatEvent]:
    """Return the event that commits, alone; `receipt` is told of waits before it, and when it came.

    Raises:
        ProviderError: The attempt failed, or ended without an end.
    """
    async for event in events:
        if isinstance(event, Waiting):
            receipt.wait(event.phase)
        elif commits(event):
            if isinstance(event, Delta):
                receipt.hear()
            return [event]
    raise ProviderError(ErrorKind.PROTOCOL, phase="first_token")


async def rest_of_answer(held: list[ChatEvent], events: ChatEvents, share: Share) -> None:
    """Add everything up to the end of the answer to `held`, and its size to `share`.

    Raises:
        ProviderError: The attempt failed before its end, or its answer has no end in sight.
        Overloaded: All answers that are held take too much.
    """
    share.clear()  # an attempt before has left nothing
    for event in held:
        if isinstance(event, Delta):
            share.add(event.text)
    async for event in events:
        if isinstance(event, Delta):
            share.add(event.text)
            if share.is_too_long:
                # As if it came from there, so that the wrappers see it too.
                await events.athrow(ProviderError(ErrorKind.PROTOCOL, phase="stream"))
        held.append(event)
