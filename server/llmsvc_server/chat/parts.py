"""What a message consists of: parts, and how the pieces of an answer become them."""

from typing import TypeAlias

Part: TypeAlias = str
"""One part: a text, as it is. Any other kind would be a class beside it."""


def text_of(parts: tuple[Part, ...]) -> str:
    """Return the texts among parts as one, joined without a separator."""
    return "".join(parts)


class AnswerParts:
    """Numbers the parts of one answer, and folds the pieces of each. Pieces of text are one part.

    Attributes:
        index: Number of the part that grows, from 0.
        add_text: Takes the next piece of text. No method: it is called for every token.
    """

    __slots__ = ("_pieces", "add_text", "index")

    def __init__(self) -> None:
        """Have one part, still empty."""
        self._pieces: list[str] = []
        self.add_text = self._pieces.append
        self.index = 0

    def fold(self) -> tuple[Part, ...]:
        """Return the parts as they are by now, in order."""
        return ("".join(self._pieces),)
