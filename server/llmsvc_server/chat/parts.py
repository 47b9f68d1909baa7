"""What a message consists of: parts, and how the pieces of an answer become them."""

import dataclasses
from collections.abc import Iterable, Sequence
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


@value
class Refusal:
    """Text with which a model declined, or a piece of it."""

    text: str = dataclasses.field(repr=False)


Part: TypeAlias = str | ToolCall | ToolResult | Refusal
"""One part: a text, as it is, or one of the other kinds."""


@value
class CallPiece:
    """More of a tool call. `id` and `name` are set on the first piece of a call, and there only."""

    id: str = ""
    name: str = ""
    arguments_json: str = dataclasses.field(default="", repr=False)


Piece: TypeAlias = str | CallPiece | Refusal
"""More of a part: a text as it is, or more of another kind."""


def text_of(parts: Iterable[Part]) -> str:
    """Return the texts among parts as one, joined without a separator."""
    return "".join([part for part in parts if isinstance(part, str)])


def said_in(parts: Iterable[Part]) -> str:
    """Return what a turn says as one text: texts and refusals, joined without a separator."""
    return "".join([part if isinstance(part, str) else _declined_in(part) for part in parts])


def _declined_in(part: Part) -> str:
    return part.text if isinstance(part, Refusal) else ""


def written_in(part: Part | Piece) -> str:
    """Return what somebody wrote in a part or a piece."""
    if isinstance(part, str):
        return part
    if isinstance(part, ToolResult):
        return part.content
    return part.text if isinstance(part, Refusal) else part.name + part.arguments_json


class PartNumbers:
    """Numbers the parts of one answer piece by piece, and keeps none but the last.

    Attributes:
        index: Number of the part that grows, from 0.
    """

    __slots__ = ("_last", "index")

    def __init__(self, begins_with: Piece | None = None) -> None:
        """Have had one piece, or none."""
        self._last = begins_with
        self.index = 0

    def take(self, piece: Piece) -> int:
        """Return the number of the part that the next piece belongs to."""
        if self._last is not None and not continues(self._last, piece):
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
        """Have no part yet."""
        self._whole: list[Part] = []
        self._pieces: list[Piece] = []
        self.add_text = self._pieces.append
        self.index = 0

    def add(self, piece: Piece) -> int:
        """Take the next piece of any kind; return the number of the part that it belongs to."""
        pieces = self._pieces
        if pieces and not continues(pieces[-1], piece):
            self._whole.append(_fold(pieces))
            pieces.clear()
            self.index += 1
        pieces.append(piece)
        return self.index

    def fold(self) -> tuple[Part, ...]:
        """Return the parts as they are by now, in order. No text among them is empty."""
        latest = [_fold(self._pieces)] if self._pieces else []
        return tuple([part for part in (*self._whole, *latest) if part != ""])


def continues(last: Piece, piece: Piece) -> bool:
    """Return whether a piece belongs to the same part as the one before it."""
    if isinstance(piece, CallPiece):
        return isinstance(last, CallPiece) and not piece.id
    return type(last) is type(piece)


def join(pieces: Sequence[Piece]) -> Piece:
    """Return pieces of one part, at least one, as one."""
    first = pieces[0]
    if len(pieces) == 1:
        return first
    if isinstance(first, str):
        return "".join([one for one in pieces if isinstance(one, str)])
    if isinstance(first, Refusal):
        return Refusal(text="".join(map(written_in, pieces)))
    arguments = [one.arguments_json for one in pieces if isinstance(one, CallPiece)]
    return CallPiece(id=first.id, name=first.name, arguments_json="".join(arguments))


def _fold(pieces: Sequence[Piece]) -> Part:
    whole = join(pieces)
    if isinstance(whole, CallPiece):
        return ToolCall(id=whole.id, name=whole.name, arguments_json=whole.arguments_json)
    return whole
