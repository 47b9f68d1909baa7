"""Short ways to write the turns of a conversation."""

from llmsvc_client.tools import ToolCall, ToolResult
from llmsvc_client.types import Message, Role


def system(text: str) -> Message:
    """Return instructions to the model. They come before all other turns."""
    return Message(Role.SYSTEM, text)


def user(text: str) -> Message:
    """Return a turn of the user. The last turn of a request is one, or the result of a call."""
    return Message(Role.USER, text)


def assistant(text: str) -> Message:
    """Return a turn of the model. For an answer of this service, use `reply.message`."""
    return Message(Role.ASSISTANT, text)


def tool_result(call: ToolCall | str, content: str, *, failed: bool = False) -> Message:
    """Return the turn that says what came of a call.

    Args:
        call: The call, or its id.
        content: The result, as text or JSON text; why there is none, where it `failed`.
        failed: Whether the tool failed.
    """
    call_id = call if isinstance(call, str) else call.id
    return Message(Role.TOOL, parts=[ToolResult(call_id, content, failed)])
