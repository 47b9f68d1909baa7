"""Answers in memory: gathered for who wants them whole, and on their way to who takes none."""

from typing_extensions import override

from llmsvc_server.errors import Overloaded
from llmsvc_server.routing.shares import KEPT_ONE_OF, Shares

RETRY_AFTER_S = 1.0
"""A guess: callers read on, or their connections end."""


class HeldAnswers(Shares):
    """Counts their bytes, and says when it is too much. An eighth is kept for who has less.

    Attributes:
        max_each_bytes: Longest text that is held for one call.
    """

    def __init__(self, *, max_each_bytes: int, max_bytes: int) -> None:
        """Hold texts of at most `max_each_bytes`, and `max_bytes` in all."""
        super().__init__(max_bytes, kept=max_bytes // KEPT_ONE_OF)
        self.max_each_bytes = max_each_bytes

    @override
    def __repr__(self) -> str:
        """Return how much is held."""
        return f"<HeldAnswers: {self.bytes} bytes>"

    @property
    def bytes(self) -> int:
        """How much is held now."""
        return self.given

    def check(self, caller: str, size_bytes: int = 1) -> None:
        """Return if there is room for so much of a caller's. What would be alone always has it.

        Raises:
            Overloaded: There is none.
        """
        if self.given and not self.has_room(caller, size_bytes):
            raise Overloaded(RETRY_AFTER_S)


class Share:
    """What one call has gathered of its answer.

    Attributes:
        bytes: How much.
        max_bytes: No answer that is delivered whole has more.
    """

    __slots__ = ("_caller", "_held", "bytes", "max_bytes")

    def __init__(self, held: HeldAnswers, caller: str) -> None:
        """Have nothing; it will be `caller`'s."""
        self._held = held
        self._caller = caller
        self.bytes = 0
        self.max_bytes = held.max_each_bytes

    @override
    def __repr__(self) -> str:
        """Return how much it is."""
        return f"<Share: {self.bytes} bytes>"

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
        self._held.add(self._caller, -self.bytes)
        self.bytes = 0
