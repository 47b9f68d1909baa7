"""The process gate: counts chats, of each caller and in all, and their bytes, and never waits."""

import asyncio
from dataclasses import dataclass, field

from typing_extensions import override

from llmsvc_server.errors import Overloaded, ShuttingDown
from llmsvc_server.routing.shares import KEPT_ONE_OF, Shares

RETRY_AFTER_S = 1.0
"""A guess: a place frees as soon as any of the running chats ends."""


class Admission:
    """Lets chats in while there is room for them and their requests, none once it is closed.

    One caller alone gets `max_chats` places; an eighth more is kept for callers that have less. Of
    the bytes the last eighth is kept for them.
    """

    def __init__(self, *, max_chats: int, max_request_bytes: int) -> None:
        """Start open and empty."""
        kept = -(-max_chats // KEPT_ONE_OF)
        self._places = Shares(max_chats + kept, kept=kept)
        self._max_request_bytes = max_request_bytes
        self._bytes = Shares(max_request_bytes, kept=max_request_bytes // KEPT_ONE_OF)
        self._closed = False
        self._empty = asyncio.Event()
        self._empty.set()

    @override
    def __repr__(self) -> str:
        """Return what is inside."""
        closed = "closed, " if self._closed else ""
        return f"<Admission: {closed}{self.running} chats, {self.request_bytes} bytes>"

    @property
    def running(self) -> int:
        """How many chats are inside."""
        return self._places.given

    @property
    def request_bytes(self) -> int:
        """How large their requests are, together."""
        return self._bytes.given

    def close(self) -> None:
        """Refuse every chat from now on; those inside run on."""
        self._closed = True

    async def empty(self) -> None:
        """Return when no chat is inside."""
        await self._empty.wait()

    def enter(self, caller: str, request_bytes: int) -> "Slot":
        """Let one chat in, and return its place.

        Args:
            caller: Whose chat it is.
            request_bytes: Size of its request, which is held as long.

        Raises:
            Overloaded: All places or bytes that this caller may take are taken.
            ShuttingDown: The gate is closed.
        """
        if self._closed:
            raise ShuttingDown
        is_too_much = self._bytes.given + request_bytes > self._max_request_bytes
        if is_too_much or not self._bytes.has_room(caller, request_bytes):
            raise Overloaded(RETRY_AFTER_S)
        if not self._places.has_room(caller, 1):
            raise Overloaded(RETRY_AFTER_S)
        self._empty.clear()
        self._places.add(caller, 1)
        self._bytes.add(caller, request_bytes)
        return Slot(self, caller, request_bytes)

    def leave(self, slot: "Slot") -> None:
        """Let others have a place; its slot calls this."""
        self._places.add(slot.caller, -1)
        self._bytes.add(slot.caller, -slot.request_bytes)
        if not self._places.given:
            self._empty.set()


@dataclass(slots=True, eq=False)
class Slot:
    """One chat's place, until it is left."""

    gate: Admission
    caller: str = field(repr=False)
    request_bytes: int
    is_left: bool = False

    def leave(self) -> None:
        """Give it back; a second time does nothing."""
        if not self.is_left:
            self.is_left = True
            self.gate.leave(self)
