"""The process gate: counts chats, of each caller and in all, and their bytes, and never waits."""

from types import TracebackType

from llmsvc_server.errors import Overloaded, ShuttingDown

RETRY_AFTER_S = 1.0
"""A guess: a place frees as soon as any of the running chats ends."""

_KEPT_ONE_OF = 8


class Admission:
    """Lets chats in while there is room for them and their requests, none once it is closed.

    One caller alone gets `max_chats` places. So that it can't lock the others out with them, an
    eighth more is kept for callers that have less: of those last ones nobody may hold as many as
    are still free, so half of them goes to the first who asks, half of the rest to the next.

    Attributes:
        running: How many chats are inside.
        request_bytes: How large their requests are, together.
    """

    def __init__(self, *, max_chats: int, max_request_bytes: int) -> None:
        """Start open and empty."""
        self._max_request_bytes = max_request_bytes
        self._kept = -(-max_chats // _KEPT_ONE_OF)
        self._places = max_chats + self._kept
        self._closed = False
        self._held: dict[str, int] = {}
        self.running = 0
        self.request_bytes = 0

    def close(self) -> None:
        """Refuse every chat from now on; those inside run on."""
        self._closed = True

    def slot(self, caller: str, request_bytes: int) -> "_Slot":
        """Return what holds one place while it is entered, which has to be at once.

        Args:
            caller: Whose chat it is.
            request_bytes: Size of its request, which is held as long.

        Raises:
            Overloaded: All places that this caller may take are taken, or those inside hold too
                much.
            ShuttingDown: The gate is closed.
        """
        if self._closed:
            raise ShuttingDown
        free = self._places - self.running
        if free <= self._kept and self._held.get(caller, 0) >= free:
            raise Overloaded(RETRY_AFTER_S)
        if self.request_bytes + request_bytes > self._max_request_bytes:
            raise Overloaded(RETRY_AFTER_S)
        return _Slot(self, caller, request_bytes)

    def enter(self, caller: str, request_bytes: int) -> None:
        """Count one chat more; slots call this."""
        self.running += 1
        self.request_bytes += request_bytes
        self._held[caller] = self._held.get(caller, 0) + 1

    def leave(self, caller: str, request_bytes: int) -> None:
        """Count one less; slots call this."""
        self.running -= 1
        self.request_bytes -= request_bytes
        left = self._held.pop(caller) - 1
        if left:
            self._held[caller] = left


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
