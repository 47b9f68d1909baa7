"""Answers in memory: gathered for who wants them whole, and on their way to who takes none."""

from typing_extensions import override

from llmsvc_server.errors import Overloaded
from llmsvc_server.routing.shares import Shares

RETRY_AFTER_S = 1.0
"""A guess: callers read on, or their connections end."""

_KEPT_ONE_OF = 8


class HeldAnswers:
    """Counts their bytes, and says when it is too much. An eighth is kept for who has less.

    Attributes:
        max_each_bytes: Longest text that is held for one call.
        bytes: How much is held now.
    """

    def __init__(self, *, max_each_bytes: int, max_bytes: int) -> None:
        """Hold texts of at most `max_each_bytes`, and `max_bytes` in all."""
        self.max_each_bytes = max_each_bytes
        self.bytes = 0
        self._shares = Shares(max_bytes, kept=max_bytes // _KEPT_ONE_OF)

    @override
    def __repr__(self) -> str:
        """Return how much is held."""
        return f"<HeldAnswers: {self.bytes} bytes>"

    def check(self, caller: str, size_bytes: int = 1) -> None:
        """Return if there is room for so much of a caller's. What would be alone always has it.

        Raises:
            Overloaded: There is none.
        """
        if self.bytes and not self._shares.has_room(caller, size_bytes):
            raise Overloaded(RETRY_AFTER_S)

    def add(self, caller: str, size_bytes: int) -> None:
        """Hold more for a caller, room or not."""
        self.bytes += size_bytes
        self._shares.add(caller, size_bytes)

    def remove(self, caller: str, size_bytes: int) -> None:
        """Hold less."""
        self.bytes -= size_bytes
        self._shares.remove(caller, size_bytes)


class Share:
    """What one call has gathered of its answer."""

    __slots__ = ("_caller", "_held", "bytes")

    def __init__(self, held: HeldAnswers, caller: str) -> None:
        """Have nothing; it will be `caller`'s."""
        self._held = held
        self._caller = caller
        self.bytes = 0

    @override
    def __repr__(self) -> str:
        """Return how much it is."""
        return f"<Share: {self.bytes} bytes>"

    @property
    def is_too_long(self) -> bool:
        """Whether it is more than any answer that is delivered whole."""
        return self.bytes > self._held.max_each_bytes

    def add(self, text: str) -> None:
        """Gather a piece.

        Raises:
            Overloaded: There is no room for it beside what others hold.
        """
        size_bytes = len(text.encode())
        self._held.check(self._caller, size_bytes)
        self._held.add(self._caller, size_bytes)
        self.bytes += size_bytes

    def clear(self) -> None:
        """Let go of all."""
        self._held.remove(self._caller, self.bytes)
        self.bytes = 0
