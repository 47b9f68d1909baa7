"""What every adapter does to read one answer, from the bytes of its body to events.

Pure: no socket, no clock. What comes out depends on the bytes only, not on where the network cut
them. How an answer ends: docs/failover.md 3.3.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from llmsvc_server.chat.adjustment import Adjustment
from llmsvc_server.chat.events import SIGN_OF_LIFE, Delta, Done, SignOfLife, pieces_of
from llmsvc_server.chat.parts import CallPiece, Piece, Refusal, continues, join
from llmsvc_server.chat.usage import FinishReason
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.unfinished import Tail, Tails
from llmsvc_server.providers.shared.ending import Ending
from llmsvc_server.providers.shared.lenient import Seam
from llmsvc_server.providers.shared.lines import MAX_LINE_BYTES
from llmsvc_server.providers.shared.tool_calls import (
    LEFT_OUT,
    ToolCalls,
    reason_with_calls,
    reason_without_calls,
)

MAX_EMPTY_PIECES = 10_000
MAX_EMPTY_BYTES = 256 * 1024
"""How much may come before the first content or thinking, without that (docs/failover.md 3.1)."""

MAX_REFUSALS = 8_192
"""Pieces of a refusal in one answer. Text may come between any two, and each is a part then."""

Progress: TypeAlias = Delta | SignOfLife | None


class AnswerReader(ABC):
    """Takes an answer's bytes in and gives its events out.

    An adapter takes a read apart, puts texts into `_texts`, says by `_lives` that the model works,
    hands calls to `_begin_call` and `_go_on_with_call`, a refusal to `_decline`, marks the end, and
    returns what `_collect` makes of it.

    Attributes:
        over: Whether the answer has ended, well or badly; what comes after it is not looked at.
        ending: What it has said of its end.
    """

    __slots__ = (
        "_calls",
        "_declined",
        "_empty_bytes",
        "_empty_pieces",
        "_failure",
        "_has_begun",
        "_has_content",
        "_has_left_out",
        "_lives",
        "_pieces",
        "_refusals",
        "_seam",
        "_tails",
        "_texts",
        "_whole",
        "_word",
        "ending",
        "over",
    )

    def __init__(self, tails: Tails, calls: ToolCalls | None = None) -> None:
        """Have read nothing.

        Args:
            tails: Counts what has no end yet; whoever made it clears it.
            calls: Takes the answer's tool calls; None where the request offers no tools.
        """
        self.over = False
        self.ending = Ending()
        self._tails = tails
        self._whole: Tail | None = None
        self._calls = calls
        self._has_begun = False
        self._has_content = False
        self._has_left_out = False
        self._texts: list[str] = []
        self._pieces: list[Piece] = []
        self._lives = False
        self._word = ""
        self._seam: Seam | None = None
        self._declined: Seam | None = None
        self._refusals = 0
        self._empty_pieces = 0
        self._empty_bytes = 0
        self._failure: ProviderError | None = None

    @property
    def phase(self) -> str:
        """How far the answer has come: "first_token" is awaited, or "stream"."""
        return "stream" if self._has_begun else "first_token"

    @abstractmethod
    def begin(self, content_type: str, headers: Mapping[str, str]) -> None:
        """Take a response's head, before anything of its body.

        Args:
            content_type: Type and subtype, in lower case; empty if there is none.
            headers: Names in any case.

        Raises:
            ProviderError: PROTOCOL. It can be no answer.
        """

    @abstractmethod
    def take(self, data: bytes) -> Progress:
        """Return what one network read adds to the answer.

        Args:
            data: The next bytes of the body; empty at its end. Not called again once `over`.

        Returns:
            The new text, all in one, or in pieces where calls or a refusal came with it; a sign of
            life where the model only thinks. None if nothing came of it yet.

        Raises:
            ProviderError: EXHAUSTED. Too much is unfinished, here and elsewhere.
        """

    def end(self, adjustments: tuple[Adjustment, ...] = ()) -> Done:
        """Return how the answer ended, once it is `over` or its body is.

        Args:
            adjustments: What was not run as asked.

        Raises:
            ProviderError: Not well.
        """
        if self._failure is not None:
            raise self._failure
        if not self.ending.is_marked:
            raise self._broken_off()
        if self._has_left_out:
            adjustments = (*adjustments, LEFT_OUT)
        elif self._calls is not None:
            adjustments = (*adjustments, *self._calls.adjustments)
        return self._done(adjustments)

    @abstractmethod
    def _done(self, adjustments: tuple[Adjustment, ...]) -> Done:
        """Return the end of an answer that said so."""

    def _broken_off(self) -> ProviderError:
        """Return what it means that the body ended before the answer."""
        return ProviderError(ErrorKind.TRANSIENT, row="C07", phase=self.phase)

    def _mark(self, word: object, *, is_alone: bool) -> bool:
        """Take a reason why the answer ended; return whether it is plain.

        Args:
            word: The reason.
            is_alone: Whether it came without content.
        """
        has_content = self._has_content or bool(self._texts or self._pieces)
        is_word = isinstance(word, str)
        is_plain = has_content and is_word and is_alone and not self._has_left_out
        self.ending.mark(is_plain=is_plain)
        self._word = word if isinstance(word, str) else ""
        return is_plain

    def _reason(self, reason: FinishReason) -> FinishReason:
        """Return why the answer ended, given what its provider's word for that means."""
        if self._has_left_out:
            return reason_without_calls(reason)
        if self._calls is not None and self._calls.delivered:
            return reason_with_calls(reason)
        return reason

    def _begin_call(self, call_id: object, name: object, arguments: str = "") -> None:
        """Take a tool call, whole or its beginning; see `ToolCalls.begin`.

        Raises:
            ProviderError: NONCONFORMING. Nobody can run it.
        """
        self._lives = True
        if self._calls is None:
            self._has_left_out = True
            return
        self._add_call_piece(self._calls.begin(call_id, name, arguments))

    def _go_on_with_call(self, arguments: str) -> None:
        """Take more arguments of the last call, which no text has followed; raises as `_begin_call`."""
        self._lives = True
        if self._calls is not None:
            self._add_call_piece(self._calls.go_on(arguments))

    def _add_call_piece(self, piece: CallPiece | None) -> None:
        if piece is not None:
            self._end_texts(is_last=True)
            self._pieces.append(piece)

    def _decline(self, text: str) -> None:
        """Take more of the words with which the model declines.

        Raises:
            ProviderError: PROTOCOL. There are more pieces than any refusal has.
        """
        self._refusals += 1
        if self._refusals > MAX_REFUSALS:
            raise ProviderError(ErrorKind.PROTOCOL, row="C08")
        self._end_texts(is_last=True)
        if self._seam is not None:
            self._declined = self._declined or Seam()
            text = self._declined.join(text, is_last=False)
        if text:
            self._pieces.append(Refusal(text=text))

    def _end_texts(self, *, is_last: bool) -> None:
        """Put the texts behind the pieces, before what comes next."""
        text = "".join(self._texts)
        self._texts.clear()
        if self._seam is not None:
            text = self._seam.join(text, is_last=is_last)
        if text:
            self._pieces.append(text)

    def _gather(self, data: bytes) -> None:
        """Keep a piece of a body that has to be read whole."""
        if self._whole is None:
            self._whole = Tail(self._tails)
        self._whole.add(data)
        if self._whole.size_bytes > MAX_LINE_BYTES:
            self._fail(ProviderError(ErrorKind.PROTOCOL, row="C08"))

    def _collect(self, pieces: int, size_bytes: int) -> Progress:
        """Return what came since the last call; count it where that is nothing.

        Args:
            pieces: How many lines or events there were.
            size_bytes: How long they were together.
        """
        if self._pieces:
            return self._hand_out()
        lives = self._lives or bool(self._texts)
        text = "".join(self._texts)
        self._texts.clear()
        self._lives = False
        if self._seam is not None:
            text = self._seam.join(text, is_last=self.over)
        if text:
            self._has_begun = self._has_content = True
            return Delta(text)
        if lives:
            self._has_begun = True
            return SIGN_OF_LIFE
        if not (self._has_begun or self.over):
            self._count_empty(pieces, size_bytes)
        return None

    def _hand_out(self) -> Progress:
        """Return what came in pieces, in order."""
        self._end_texts(is_last=self.over)
        self._lives = False
        self._has_begun = self._has_content = True
        pieces = pieces_of(_join_neighbours(self._pieces))
        self._pieces.clear()
        return pieces

    def _count_empty(self, pieces: int, size_bytes: int) -> None:
        self._empty_pieces += pieces
        self._empty_bytes += size_bytes
        if self._empty_pieces > MAX_EMPTY_PIECES or self._empty_bytes > MAX_EMPTY_BYTES:
            self._fail(ProviderError(ErrorKind.PROTOCOL, row="C08"))

    def _fail(self, error: ProviderError) -> None:
        self.over = True
        has_begun = self._has_begun or self._lives or bool(self._texts or self._pieces)
        self._failure = replace(error, phase="stream") if has_begun else error

    def _disown(self) -> None:
        """Fail because the answer comes from elsewhere: nothing more of it is passed on."""
        self._fail(ProviderError(ErrorKind.VIOLATION, row="O01"))
        self._texts.clear()
        self._pieces.clear()
        self._lives = False
        self._seam = None


def _join_neighbours(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Yield pieces, those of one part together."""
    part: list[Piece] = []
    for piece in pieces:
        if part and not continues(part[-1], piece):
            yield join(part)
            part = []
        part.append(piece)
    yield join(part)
