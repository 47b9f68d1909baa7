"""Earlier calls and results told as texts, for a model whose template knows none. Pure.

A call reads as a model writes one that was told of tools in its prompt (`emulate.py`).
"""

import json
from collections.abc import Iterable, Mapping

from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.parts import ToolCall, ToolResult
from llmsvc_server.chat.request import Message, Role
from llmsvc_server.routing.emulated_answer import ACTION, CALLS, TO_CALL

TOLD = Adjustment(
    field="messages",
    action=Action.EMULATED,
    description="The model knows no calls; earlier ones and their results were told as texts.",
)
"""What is said where that was done."""


def tell_calls(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Return the same turns without parts other than texts."""
    names: dict[str, str] = {}
    told: list[Message] = []
    for message in messages:
        names.update({part.id: part.name for part in message.parts if isinstance(part, ToolCall)})
        told.append(_as_text(message, names))
    return tuple(told)


def _as_text(message: Message, names: Mapping[str, str]) -> Message:
    """Return a message whose calls and results are told as texts: as the model is asked to write."""
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    if not calls and not results:
        return message
    texts = [message.text] if message.text else []
    if calls:
        written = ", ".join(
            f'{{"name": {json.dumps(call.name)}, "arguments": {call.arguments_json}}}'
            for call in calls
        )
        texts.append(f'{{"{ACTION}": "{TO_CALL}", "{CALLS}": [{written}]}}')
    for result in results:
        what = "failed" if result.failed else "returned"
        texts.append(f"The tool {names.get(result.call_id, '')} {what}: {result.content}")
    role = Role.USER if results else message.role
    return Message(role=role, parts=("\n".join(texts),))
