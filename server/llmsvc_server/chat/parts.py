"""What a message consists of: parts, and how the pieces of an answer become them."""

import dataclasses
from collections.abc import Iterable
from typing import TypeAlias

from llmsvc_server.chat.value import value

MAX_CALLS = 128
"""How many calls one answer may have: as many as a request may declare tools."""

MAX_ARGUMENTS_BYTES = 64 * 1024
"""Longest arguments of one call, in UTF-8: more could not be sent back."""


@value
class ToolCall:
    """A call that a model asks for. Arguments are the text of a JSON object, as it was written."""

    id: str
    name: str
    arguments_json: str = dataclasses.field(repr=False)


@value
class ToolResult:
    """What became of the call with that id. `failed` where `content` says why there is no result."""

    call_id: str
    content: str = dataclasses.field(repr=False)
    failed: bool = False


Part: TypeAlias = str | ToolCall | ToolResult
"""One part: a text, as it is, or one of the other kinds."""


@value
class CallPiece:
    """More of a tool call. `id` and `name` are set on the first piece of a call, and there only."""

    id: str = ""
    name: str = ""
    arguments_json: str = dataclasses.field(default="", repr=False)


Piece: TypeAlias = str | CallPiece
"""More of a part: a text as it is, or more of another kind."""


def text_of(parts: Iterable[Part]) -> str:
    """Return the texts among parts as one, joined without a separator."""
    return "".join([part for part in parts if isinstance(part, str)])


def written_in(part: Part | Piece) -> str:
    """Return what somebody wrote in a part or a piece."""
    if isinstance(part, str):
        return part
    if isinstance(part, ToolResult):
        return part.content
    return part.name + part.arguments_json


class PartNumbers:
    """Numbers the parts of one answer piece by piece, and keeps none but the last.

    Attributes:
        index: Number of the part that grows, from 0.
    """

    __slots__ = ("_last", "index")

    def __init__(self) -> None:
        """Have had no piece."""
        self._last: Piece | None = None
        self.index = 0

    def take(self, piece: Piece) -> int:
        """Return the number of the part that the next piece belongs to."""
        if self._last is not None and not _continues(self._last, piece):
            self.index += 1
        self._last = piece
        return self.index


class AnswerParts:
    """Numbers the parts of one answer, and folds the pieces of each.

    Attributes:
        index: Number of the part that grows, from 0.
        add_text: Takes the next piece of text where all pieces so far were text. No method: it is
            called for every token.
    """

    __slots__ = ("_pieces", "_whole", "add_text", "index")

    def __init__(self) -> None:
        """Have one part, still empty."""
        self._whole: list[Part] = []
        self._pieces: list[Piece] = []
        self.add_text = self._pieces.append
        self.index = 0

    def add(self, piece: Piece) -> int:
        """Take the next piece of any kind; return the number of the part that it belongs to."""
        pieces = self._pieces
        if pieces and not _continues(pieces[-1], piece):
            self._whole.append(_fold(pieces))
            pieces.clear()
            self.index += 1
        pieces.append(piece)
        return self.index

    def fold(self) -> tuple[Part, ...]:
        """Return the parts as they are by now, in order."""
        return (*self._whole, _fold(self._pieces))


def _continues(last: Piece, piece: Piece) -> bool:
    if isinstance(last, str) or isinstance(piece, str):
        return isinstance(last, str) and isinstance(piece, str)
    return not piece.id


def _fold(pieces: list[Piece]) -> Part:
    first = pieces[0] if pieces else ""
    if isinstance(first, str):
        return "".join([one for one in pieces if isinstance(one, str)])
    arguments = [one.arguments_json for one in pieces if isinstance(one, CallPiece)]
    return ToolCall(id=first.id, name=first.name, arguments_json="".join(arguments))
