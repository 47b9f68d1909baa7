"""What was made of texts before, within bounds."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MAX_TEXTS: Final = 256
MAX_CHARACTERS: Final = 1 << 20


class Remembered(Generic[T]):
    """Makes something of a text, and has it ready when the same text comes again.

    What was not asked for the longest is let go: more than 256 texts, or than a million characters
    of them, with what is made of them counted as characters too.
    """

    def __init__(self, make: Callable[[str], T], weigh: Callable[[T], int] = lambda _: 0) -> None:
        """Know how it is made, and what it weighs more than its text, in characters."""
        self._make = make
        self._weigh = weigh
        self._made: OrderedDict[str, tuple[T, int]] = OrderedDict()
        self._characters = 0

    def __call__(self, text: str) -> T:
        """Return what is made of a text. It is shared: nobody may change it."""
        known = self._made.get(text)
        if known is not None:
            self._made.move_to_end(text)
            return known[0]
        made = self._make(text)
        weight = len(text) + self._weigh(made)
        self._made[text] = made, weight
        self._characters += weight
        while len(self._made) > 1 and (
            len(self._made) > MAX_TEXTS or self._characters > MAX_CHARACTERS
        ):
            _, (_, weight) = self._made.popitem(last=False)
            self._characters -= weight
        return made
