"""Tool calls of one answer, as every adapter passes them on or leaves them out (ADR-027)."""

import re
import secrets
from typing import Self

from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.parts import (
    MAX_ARGUMENTS_BYTES,
    MAX_CALLS,
    CallPiece,
    ToolCall,
    ToolResult,
)
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.usage import FinishReason
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.shared.lenient import Seam
from llmsvc_server.providers.shared.untyped import text_of

LEFT_OUT = Adjustment(
    field="tools",
    action=Action.IGNORED,
    description="The model called a tool although the request offers none; the call is left out.",
)

DROPPED = Adjustment(
    field="tool_choice.single_call",
    action=Action.IGNORED,
    description="The model asked for more than one call; those after the first are dropped.",
)

_OF_A_WHOLE_ANSWER = frozenset({FinishReason.STOP, FinishReason.STOP_SEQUENCE})
_DECLINED = frozenset({FinishReason.REFUSAL, FinishReason.CONTENT_FILTER})
_PLAIN_ID = re.compile(r"[!-~]{1,256}")


class ToolCalls:
    """Takes the calls of one answer that may have some, in order, and holds them to the request.

    Attributes:
        delivered: How many calls were passed on.
    """

    __slots__ = (
        "_bytes",
        "_drops",
        "_has_dropped",
        "_ids",
        "_names",
        "_seam",
        "_single",
        "delivered",
    )

    def __init__(self, request: ChatRequest) -> None:
        """Have none yet.

        Args:
            request: Says which functions may be called, and which ids its history has.
        """
        features = request.features
        self._names = frozenset(one.name for one in features.offered)
        self._single = features.choice.single_call
        self._ids = {
            part.id
            for message in request.messages
            for part in message.parts
            if isinstance(part, ToolCall)
        }
        self._bytes = 0
        self._seam: Seam | None = None
        self._drops = self._has_dropped = False
        self.delivered = 0

    @classmethod
    def of(cls, request: ChatRequest) -> Self | None:
        """Return what takes the calls of an answer; None where the request offers no tools."""
        return None if request.is_plain or not request.features.offered else cls(request)

    @property
    def adjustments(self) -> tuple[Adjustment, ...]:
        """What was not passed on."""
        return (DROPPED,) if self._has_dropped else ()

    def begin(self, call_id: object, name: object, arguments: str = "") -> CallPiece | None:
        """Take a call, or the beginning of one; return what to pass on, None if it is dropped.

        Args:
            call_id: Its id, of any type: one that is missing, odd or known is replaced.
            name: The function to call.
            arguments: As much of them as is there, as the model wrote it.

        Raises:
            ProviderError: NONCONFORMING. No such function may be called, or there is too much of it.
        """
        self._drops = self._single and self.delivered > 0
        if self._drops:
            self._has_dropped = True
            return None
        function = text_of(name)
        if function not in self._names or self.delivered == MAX_CALLS:
            raise unusable()
        self.delivered += 1
        self._bytes, self._seam = 0, None
        return CallPiece(
            id=self._unique(call_id), name=function, arguments_json=self._measure(arguments)
        )

    def go_on(self, arguments: str) -> CallPiece | None:
        """Take more of the last call's arguments; return what to pass on, None if that is nothing.

        Raises:
            ProviderError: NONCONFORMING. There is too much of it.
        """
        if self._drops or not arguments:
            return None
        arguments = self._measure(arguments)
        return CallPiece(arguments_json=arguments) if arguments else None

    def _unique(self, call_id: object) -> str:
        """Return an id that no other call of the conversation has."""
        known = isinstance(call_id, str) and _PLAIN_ID.fullmatch(call_id) is not None
        own = call_id if known and isinstance(call_id, str) else ""
        while not own or own in self._ids:
            own = f"call_{secrets.token_hex(12)}"
        self._ids.add(own)
        return own

    def _measure(self, arguments: str) -> str:
        """Return arguments without half characters: what was cut in two is joined again."""
        if len(arguments) > MAX_ARGUMENTS_BYTES:
            raise unusable()
        if self._seam is None and not arguments.isascii():
            self._seam = Seam()
        if self._seam is not None:
            arguments = self._seam.join(arguments, is_last=False)
        self._bytes += len(arguments) if arguments.isascii() else len(arguments.encode())
        if self._bytes > MAX_ARGUMENTS_BYTES:
            raise unusable()
        return arguments


def unusable() -> ProviderError:
    """Return the failure of a call that nobody can run."""
    return ProviderError(ErrorKind.NONCONFORMING, row="C09", cause="toolCall")


def reason_without_calls(reason: FinishReason) -> FinishReason:
    """Return why an answer ended whose calls were left out: what is left of it is not all of it."""
    return FinishReason.OTHER if reason in _OF_A_WHOLE_ANSWER else reason


def reason_with_calls(reason: FinishReason) -> FinishReason:
    """Return why an answer ended whose calls were passed on, whatever its provider says of that."""
    return reason if reason in _DECLINED else FinishReason.TOOL_CALLS


def told(result: ToolResult) -> str:
    """Return what a model reads of a result where its provider has no field for failures."""
    return f"Error: {result.content}" if result.failed else result.content
