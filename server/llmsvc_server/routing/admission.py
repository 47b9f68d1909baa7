"""The process gate: counts chats, of each caller and in all, and their bytes, and never waits."""

import asyncio
from types import TracebackType

from typing_extensions import override

from llmsvc_server.errors import Overloaded, ShuttingDown
from llmsvc_server.routing.shares import Shares

RETRY_AFTER_S = 1.0
"""A guess: a place frees as soon as any of the running chats ends."""

_KEPT_ONE_OF = 8


class Admission:
    """Lets chats in while there is room for them and their requests, none once it is closed.

    One caller alone gets `max_chats` places; an eighth more is kept for callers that have less. Of
    the bytes the last eighth is kept for them.

    Attributes:
        running: How many chats are inside.
        request_bytes: How large their requests are, together.
    """

    def __init__(self, *, max_chats: int, max_request_bytes: int) -> None:
        """Start open and empty."""
        kept = -(-max_chats // _KEPT_ONE_OF)
        self._places = Shares(max_chats + kept, kept=kept)
        self._max_request_bytes = max_request_bytes
        self._bytes = Shares(max_request_bytes, kept=max_request_bytes // _KEPT_ONE_OF)
        self._closed = False
        self._empty = asyncio.Event()
        self._empty.set()
        self.running = 0
        self.request_bytes = 0

    @override
    def __repr__(self) -> str:
        """Return what is inside."""
        closed = "closed, " if self._closed else ""
        return f"<Admission: {closed}{self.running} chats, {self.request_bytes} bytes>"

    def close(self) -> None:
        """Refuse every chat from now on; those inside run on."""
        self._closed = True

    async def empty(self) -> None:
        """Return when no chat is inside."""
        await self._empty.wait()

    def slot(self, caller: str, request_bytes: int) -> "_Slot":
        """Return what holds one place while it is entered, which has to be at once.

        Args:
            caller: Whose chat it is.
            request_bytes: Size of its request, which is held as long.

        Raises:
            Overloaded: All places or bytes that this caller may take are taken.
            ShuttingDown: The gate is closed.
        """
        if self._closed:
            raise ShuttingDown
        is_too_much = self.request_bytes + request_bytes > self._max_request_bytes
        if is_too_much or not self._bytes.has_room(caller, request_bytes):
            raise Overloaded(RETRY_AFTER_S)
        if not self._places.has_room(caller, 1):
            raise Overloaded(RETRY_AFTER_S)
        return _Slot(self, caller, request_bytes)

    def enter(self, caller: str, request_bytes: int) -> None:
        """Count one chat more; slots call this."""
        self.running += 1
        self._empty.clear()
        self.request_bytes += request_bytes
        self._places.add(caller, 1)
        self._bytes.add(caller, request_bytes)

    def leave(self, caller: str, request_bytes: int) -> None:
        """Count one less; slots call this."""
        self.running -= 1
        self.request_bytes -= request_bytes
        self._places.remove(caller, 1)
        self._bytes.remove(caller, request_bytes)
        if not self.running:
            self._empty.set()


class _Slot:
    """One chat's place."""

    __slots__ = ("_caller", "_gate", "_request_bytes")

    def __init__(self, gate: Admission, caller: str, request_bytes: int) -> None:
        self._gate = gate
        self._caller = caller
        self._request_bytes = request_bytes

    def __enter__(self) -> None:
        self._gate.enter(self._caller, self._request_bytes)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._gate.leave(self._caller, self._request_bytes)
