"""The process gate: counts chats, never waits."""

from types import TracebackType
from typing import Self

from llmsvc_server.errors import Overloaded, ShuttingDown

RETRY_AFTER_S = 1.0
"""A guess: a place frees as soon as any of the running chats ends."""


class Admission:
    """Lets at most `max_chats` chats in, and none once it is closed."""

    def __init__(self, *, max_chats: int) -> None:
        """Start open and empty."""
        self._max_chats = max_chats
        self._closed = False
        self.running = 0

    def close(self) -> None:
        """Refuse every chat from now on; those inside run on."""
        self._closed = True

    def slot(self) -> Self:
        """Return what holds one place while it is entered, which has to be at once.

        Raises:
            Overloaded: All places are taken.
            ShuttingDown: The gate is closed.
        """
        if self._closed:
            raise ShuttingDown
        if self.running >= self._max_chats:
            raise Overloaded(RETRY_AFTER_S)
        return self

    def __enter__(self) -> None:
        """Take the place."""
        self.running += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free it."""
        self.running -= 1
