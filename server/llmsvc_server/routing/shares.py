"""What callers share: one alone gets nearly all, and yet can't lock the others out."""

from typing_extensions import override

KEPT_ONE_OF = 8
"""Usual: one part in so many is kept for callers that have less."""


class Shares:
    """Counts what each caller has of something.

    A part is kept for callers that have less: of that last part nobody takes any who has more than
    is left then, so half of it goes to the first who asks, half of the rest to the next. A caller
    that had to be given more than all but that part counts for no more.

    Attributes:
        given: How much all have together.
    """

    def __init__(self, max_amount: int, *, kept: int) -> None:
        """Share `max_amount`, the last `kept` of it among callers that have less."""
        self.given = 0
        self._max = max_amount
        self._kept = kept
        self._max_of_one = max_amount - kept
        self._taken = 0
        self._held: dict[str, int] = {}

    @override
    def __repr__(self) -> str:
        """Return how much is taken, by how many."""
        return f"<Shares: {self._taken} of {self._max} taken, {len(self._held)} callers>"

    def has_room(self, caller: str, amount: int) -> bool:
        """Return whether a caller may have so much more."""
        left = self._max - self._taken - amount
        return left >= self._kept or 0 <= left >= self._held.get(caller, 0)

    def add(self, caller: str, amount: int) -> None:
        """Give so much to a caller, room or not; a negative amount takes it back."""
        before = self._held.get(caller, 0)
        after = before + amount
        self.given += amount
        if before > self._max_of_one or after > self._max_of_one:
            amount = min(after, self._max_of_one) - min(before, self._max_of_one)
        self._taken += amount
        if after:
            self._held[caller] = after
        else:
            self._held.pop(caller, None)
