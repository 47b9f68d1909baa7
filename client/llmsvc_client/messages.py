"""Short ways to write the turns of a conversation."""

from llmsvc_client.types import Message, Role


def system(text: str) -> Message:
    """Return instructions to the model. They come before all other turns."""
    return Message(Role.SYSTEM, text)


def user(text: str) -> Message:
    """Return a turn of the user. The last turn of a request is one."""
    return Message(Role.USER, text)


def assistant(text: str) -> Message:
    """Return a turn of the model. For an answer of this service, use `reply.message`."""
    return Message(Role.ASSISTANT, text)
