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
    of them.
    """

    def __init__(self, make: Callable[[str], T]) -> None:
        """Know how it is made."""
        self._make = make
        self._made: OrderedDict[str, T] = OrderedDict()
        self._characters = 0

    def __call__(self, text: str) -> T:
        """Return what is made of a text. It is shared: nobody may change it."""
        made = self._made.get(text)
        if made is not None:
            self._made.move_to_end(text)
            return made
        made = self._made[text] = self._make(text)
        self._characters += len(text)
        while len(self._made) > 1 and (
            len(self._made) > MAX_TEXTS or self._characters > MAX_CHARACTERS
        ):
            oldest, _ = self._made.popitem(last=False)
            self._characters -= len(oldest)
        return made
