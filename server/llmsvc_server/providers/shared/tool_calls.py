"""Tool calls that nobody asked for: they are left out, and said (ADR-027)."""

from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.usage import FinishReason

LEFT_OUT = Adjustment(
    field="tools",
    action=Action.IGNORED,
    description="The model called a tool although the request offers none; the call is left out.",
)

_OF_A_WHOLE_ANSWER = frozenset({FinishReason.STOP, FinishReason.STOP_SEQUENCE})


def reason_with_calls(reason: FinishReason) -> FinishReason:
    """Return why an answer with tool calls ended: what is left of it is not all of it."""
    return FinishReason.OTHER if reason in _OF_A_WHOLE_ANSWER else reason
