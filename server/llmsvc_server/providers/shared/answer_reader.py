"""What every adapter does to read one answer, from the bytes of its body to events.

Pure: no socket, no clock. What comes out depends on the bytes only, not on where the network cut
them. How an answer ends: docs/failover.md 3.3.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

from llmsvc_server.chat.adjustment import Adjustment
from llmsvc_server.chat.events import SIGN_OF_LIFE, Delta, Done, SignOfLife
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.unfinished import Tail, Tails
from llmsvc_server.providers.shared.ending import Ending
from llmsvc_server.providers.shared.lenient import Seam
from llmsvc_server.providers.shared.lines import MAX_LINE_BYTES
from llmsvc_server.providers.shared.tool_calls import LEFT_OUT

MAX_EMPTY_PIECES = 10_000
MAX_EMPTY_BYTES = 256 * 1024
"""How much may come before the first content or thinking, without that (docs/failover.md 3.1)."""

Progress: TypeAlias = Delta | SignOfLife | None


class AnswerReader(ABC):
    """Takes an answer's bytes in and gives its events out.

    An adapter takes a read apart, puts what it says into `_texts`, `_lives` and `_calls`, marks the
    end, and returns what `_collect` makes of it.

    Attributes:
        over: Whether the answer has ended, well or badly; what comes after it is not looked at.
        ending: What it has said of its end.
    """

    __slots__ = (
        "_calls",
        "_empty_bytes",
        "_empty_pieces",
        "_failure",
        "_has_begun",
        "_has_text",
        "_lives",
        "_seam",
        "_tails",
        "_texts",
        "_whole",
        "_word",
        "ending",
        "over",
    )

    def __init__(self, tails: Tails) -> None:
        """Have read nothing; count what has no end yet in `tails`, which others clear."""
        self.over = False
        self.ending = Ending()
        self._tails = tails
        self._whole: Tail | None = None
        self._has_begun = False
        self._has_text = False
        self._texts: list[str] = []
        self._lives = False
        self._calls = False
        self._word = ""
        self._seam: Seam | None = None
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
            The new text, all in one; a sign of life where the model only thinks. None if nothing
            came of it yet.

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
        return self._done((*adjustments, LEFT_OUT) if self._calls else adjustments)

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
        has_text = self._has_text or bool(self._texts)
        is_word = isinstance(word, str)
        is_plain = has_text and is_word and is_alone and not self._calls
        self.ending.mark(is_plain=is_plain)
        self._word = word if isinstance(word, str) else ""
        return is_plain

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
        lives = self._lives or bool(self._texts)
        text = "".join(self._texts)
        self._texts.clear()
        self._lives = False
        if self._seam is not None:
            text = self._seam.join(text, is_last=self.over)
        if text:
            self._has_begun = self._has_text = True
            return Delta(text)
        if lives:
            self._has_begun = True
            return SIGN_OF_LIFE
        if not (self._has_begun or self.over):
            self._count_empty(pieces, size_bytes)
        return None

    def _count_empty(self, pieces: int, size_bytes: int) -> None:
        self._empty_pieces += pieces
        self._empty_bytes += size_bytes
        if self._empty_pieces > MAX_EMPTY_PIECES or self._empty_bytes > MAX_EMPTY_BYTES:
            self._fail(ProviderError(ErrorKind.PROTOCOL, row="C08"))

    def _fail(self, error: ProviderError) -> None:
        self.over = True
        has_begun = self._has_begun or self._lives or bool(self._texts)
        self._failure = replace(error, phase="stream") if has_begun else error

    def _disown(self) -> None:
        """Fail because the answer comes from elsewhere: nothing more of it is passed on."""
        self._fail(ProviderError(ErrorKind.VIOLATION, row="O01"))
        self._texts.clear()
        self._lives = False
        self._seam = None
