"""One answer of /api/chat, from the bytes of its body to events. Pure: no socket, no clock.

Rules: docs/facts/ollama.md 3. Nothing behind a last line that stands alone is looked at; content
behind any other takes the end back. What comes out depends on the bytes only, not on where the
network cut them.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from llmsvc_server.chat.adjustment import Adjustment
from llmsvc_server.chat.events import SIGN_OF_LIFE, Delta, Done, SignOfLife
from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.unfinished import Tail, Tails
from llmsvc_server.providers.ollama.errors import classify
from llmsvc_server.providers.ollama.figures import timings_in, usage_in
from llmsvc_server.providers.ollama.refusals import read_error_line
from llmsvc_server.providers.ollama.wire import Content, Line, decode_lines
from llmsvc_server.providers.shared.ending import Ending, is_reason
from llmsvc_server.providers.shared.lenient import Seam, read_several
from llmsvc_server.providers.shared.lines import BOM, MAX_LINE_BYTES, LineBuffer
from llmsvc_server.providers.shared.parts import read_parts
from llmsvc_server.providers.shared.tool_calls import LEFT_OUT, reason_with_calls

MAX_EMPTY_LINES = 10_000
MAX_EMPTY_BYTES = 256 * 1024
"""How much may come before the first content or thinking (docs/failover.md 3.1)."""

REPEATS = 30
"""Ollama stops a model, without saying so, after 31 equal tokens; blanks count as equal."""

_WORDS = {"stop": FinishReason.STOP, "length": FinishReason.MAX_TOKENS}
_PLAIN_WORD = re.compile(r"[a-z_]{1,32}")
"""A reason that we do not know is passed on if it can be nothing but a word."""

_OF_LOADING = ("load", "unload")
_NOTHING = frozenset({b"", b"null"})
"""Lines that say nothing: so many fit into one read that each must cost next to nothing."""


class Reading:
    """Takes an answer's bytes in and gives its events out.

    Attributes:
        over: Whether the answer has ended, well or badly; what comes after it is not looked at.
        ending: What it has said of its end.
    """

    __slots__ = (
        "_buffer",
        "_calls",
        "_empty_bytes",
        "_empty_lines",
        "_failure",
        "_gathered",
        "_has_begun",
        "_has_text",
        "_is_framed",
        "_last",
        "_latest",
        "_may_be_remote",
        "_repeats",
        "_seam",
        "_tails",
        "_window_tokens",
        "ending",
        "over",
    )

    def __init__(
        self, window_tokens: int | None, tails: Tails, *, may_be_remote: bool = False
    ) -> None:
        """Have read nothing.

        Args:
            tails: Counts what has no end yet; whoever made it clears it.
            window_tokens: The context window; None if unknown.
            may_be_remote: Whether the answer may come from elsewhere: on a remote route.
        """
        self._may_be_remote = may_be_remote
        self.over = False
        self.ending = Ending()
        self._window_tokens = window_tokens
        self._tails = tails
        self._buffer = LineBuffer(tails)
        self._has_begun = False
        self._has_text = False
        self._is_framed = False
        self._seam: Seam | None = None
        self._gathered: Tail | None = None
        self._empty_lines = 0
        self._empty_bytes = 0
        self._calls = False
        self._latest = ""
        self._repeats = 0
        self._last: Line | None = None
        self._failure: ProviderError | None = None

    @property
    def phase(self) -> str:
        """How far the answer has come: "first_token" is awaited, or "stream"."""
        return "stream" if self._has_begun else "first_token"

    @property
    def _has_leaked(self) -> bool:
        return self._failure is not None and self._failure.kind is ErrorKind.VIOLATION

    def take(self, data: bytes) -> Delta | SignOfLife | None:
        """Return what one network read adds to the answer.

        Args:
            data: The next bytes of the body; empty at its end. Not called again once `over`.

        Returns:
            The new text, all in one; a sign of life where the model only thinks. None if nothing
            came of it yet.

        Raises:
            ProviderError: EXHAUSTED. Too much is unfinished, here and elsewhere.
        """
        if not data:
            return self._finish()
        if self._gathered is not None:
            self._gather(data)
            return None
        try:
            block = self._buffer.feed(data)
        except ProviderError as error:
            if error.kind is not ErrorKind.PROTOCOL:
                raise
            self._fail(error)
            return None
        try:
            lines = decode_lines(block)
        except ProviderError:
            return self._salvage(block)
        if (
            len(lines) == 1
            and not self.ending.is_marked
            and self._seam is None
            and not _is_special(lines[0], self._may_be_remote)
        ):
            # The usual read. What follows would come to the same at twice the price.
            message = lines[0].message
            text = message.content if message is not None and not message.tool_calls else None
            if text and isinstance(text, str) and (trimmed := text.strip()) != self._latest:
                self._latest, self._repeats = trimmed, 1
                self._has_begun = self._has_text = True
                return Delta(text)
        return self._add(lines, len(block))

    def end(self, adjustments: tuple[Adjustment, ...] = ()) -> Done:
        """Return how the answer ended, once it is `over`.

        Args:
            adjustments: What was not run as asked.

        Raises:
            ProviderError: Not well.
        """
        if self._failure is not None:
            raise self._failure
        last = self._last
        if last is None or not self.ending.is_marked:
            if self._repeats >= REPEATS:
                raise ProviderError(
                    ErrorKind.MODEL_OUTPUT, row="O00", cause="repetition", phase=self.phase
                )
            raise ProviderError(ErrorKind.TRANSIENT, row="C07", phase=self.phase)
        word = last.done_reason if isinstance(last.done_reason, str) else ""
        usage = usage_in(last)
        reason = self._finish_reason(last.done_reason, usage)
        return Done(
            finish_reason=reason_with_calls(reason) if self._calls else reason,
            provider_finish_reason=word if _PLAIN_WORD.fullmatch(word) else "",
            usage=usage,
            timings=timings_in(last),
            adjustments=(*adjustments, LEFT_OUT) if self._calls else adjustments,
        )

    def _finish(self) -> Delta | SignOfLife | None:
        """Return what the rest of the body adds, once it has ended: a last line, or all of it."""
        self.over = True
        rest = self._buffer.rest() if self._gathered is None else self._gathered.whole()
        try:
            return self._add(self._lines_in(rest), len(rest))
        except ProviderError as error:
            if rest.startswith(b"{") and self._gathered is None:
                # One of Ollama's lines, cut in the middle.
                if not self.ending.is_believed:
                    self.ending.take_back()
            elif not self.ending.is_marked:
                self._fail(error)
        return self._add((), 0)

    def _lines_in(self, rest: bytes) -> Sequence[Line]:
        try:
            return decode_lines(rest)
        except ProviderError:
            lines = read_several(rest, Line)
            self._seam = self._seam or Seam()
            return lines

    def _gather(self, data: bytes) -> None:
        """Keep a body that is no lines: a proxy may have put it in other ones."""
        if self._gathered is None:
            self._gathered = Tail(self._tails)
        self._gathered.add(data)
        if self._gathered.size_bytes > MAX_LINE_BYTES:
            self._fail(ProviderError(ErrorKind.PROTOCOL, row="C08"))

    def _add(self, lines: Sequence[Line], size_bytes: int) -> Delta | SignOfLife | None:
        texts: list[str] = []
        thinks = False
        for line in lines:
            text, lives = self._said(line.message)
            if text:
                texts.append(text)
            elif lives:
                thinks = True
            self._has_begun = self._has_begun or lives
            if lives and self.ending.is_marked:
                self.ending.take_back()
            if _is_special(line, self._may_be_remote):
                has_text = self._has_text or bool(texts)
                self._settle(line, is_plain=has_text and not lives and not self._calls)
            if self._failure is not None or self._is_framed:
                break
        return self._news(texts, thinks=thinks, lines=len(lines), size_bytes=size_bytes)

    def _said(self, message: Content | None) -> tuple[str, bool]:
        """Return a line's text, and whether it shows any life."""
        if message is None:
            return "", False
        said = message.content or ""
        try:
            text, thinks = (said, False) if isinstance(said, str) else read_parts(said)
        except ProviderError as error:
            self._fail(error)
            return "", False
        self._calls = self._calls or bool(message.tool_calls)
        return text, bool(text or thinks or message.thinking or message.tool_calls)

    def _news(
        self, texts: Sequence[str], *, thinks: bool, lines: int, size_bytes: int
    ) -> Delta | SignOfLife | None:
        """Return what lines added; count them where that is nothing."""
        if texts:
            self._has_begun = self._has_text = True
            self._note_repeats(texts)
        elif thinks:
            self._has_begun = True
        elif not self._has_begun and not self.over:
            self._count_empty(lines, size_bytes)
        if self._has_leaked:
            return None
        text = "".join(texts)
        if self._seam is not None:
            text = self._seam.join(text, is_last=self.over)
        if text:
            return Delta(text)
        return SIGN_OF_LIFE if texts or thinks else None

    def _salvage(self, block: bytes) -> Delta | SignOfLife | None:
        """Return what the lines around a broken one add; whoever waits has them already."""
        events: list[Delta | SignOfLife] = []
        lines = block.split(b"\n")
        for number, line in enumerate(lines):
            if self._may_be_indented(line):
                self._gather(b"\n".join(lines[number:]) + self._buffer.rest())
                break
            if line.strip() in _NOTHING:
                continue
            if (event := self._add_line(line)) is not None:
                events.append(event)
            if self.over:
                break
        if not events or self._has_leaked:
            return None
        text = "".join([event.text for event in events if isinstance(event, Delta)])
        return Delta(text) if text else SIGN_OF_LIFE

    def _add_line(self, line: bytes) -> Delta | SignOfLife | None:
        try:
            return self._add(self._lines_in(line), len(line))
        except ProviderError as error:
            if not self.ending.excuses(line):
                self._fail(error)
            return None

    def _may_be_indented(self, line: bytes) -> bool:
        """Return whether a first line begins an object without ending it."""
        is_first = not (self._has_begun or self._empty_lines or self.ending.is_marked)
        line = line.removeprefix(BOM).strip()
        return is_first and line.startswith(b"{") and not line.endswith(b"}")

    def _settle(self, line: Line, *, is_plain: bool) -> None:
        """Take a line that ends the answer, or its beginning."""
        if (line.remote_host or line.remote_model) and not self._may_be_remote:
            self._fail(ProviderError(ErrorKind.VIOLATION, row="O01"))
        elif line.error is not None:
            of_cloud = line.cloud_status is not None
            self._fail(classify(read_error_line(line.error, of_cloud=of_cloud)))
        elif line.done_reason in _OF_LOADING:
            self._fail(ProviderError(ErrorKind.PROTOCOL, row="O03"))
        elif line.done is True or is_reason(line.done_reason):
            self._last = line
            is_plain = is_plain and isinstance(line.done_reason, str | None)
            self.ending.mark(is_plain=is_plain)
            if line.done is True and is_plain:
                self.over = self._is_framed = True
        elif not self.ending.is_believed:
            self._fail(ProviderError(ErrorKind.TRANSIENT, row="O02"))

    def _fail(self, error: ProviderError) -> None:
        self.over = True
        self._failure = replace(error, phase=self.phase) if self._has_begun else error

    def _count_empty(self, lines: int, size_bytes: int) -> None:
        self._empty_lines += lines
        self._empty_bytes += size_bytes
        if self._empty_lines > MAX_EMPTY_LINES or self._empty_bytes > MAX_EMPTY_BYTES:
            self._fail(ProviderError(ErrorKind.PROTOCOL, row="C08"))

    def _note_repeats(self, texts: Sequence[str]) -> None:
        latest = texts[-1].strip()
        if len(texts) == 1 and latest != self._latest:
            self._latest, self._repeats = latest, 1
            return
        equal = 0
        for text in reversed(texts):
            if text.strip() != latest:
                break
            equal += 1
        goes_on = equal == len(texts) and latest == self._latest
        self._repeats = self._repeats + equal if goes_on else equal
        self._latest = latest

    def _finish_reason(self, word: object, usage: Usage) -> FinishReason:
        if not is_reason(word):
            return FinishReason.STOP
        reason = (
            _WORDS.get(word, FinishReason.OTHER) if isinstance(word, str) else FinishReason.OTHER
        )
        if reason is FinishReason.MAX_TOKENS and self._window_tokens is not None:
            used_tokens = (usage.input_tokens or 0) + (usage.output_tokens or 0)
            if used_tokens >= self._window_tokens:
                return FinishReason.CONTEXT_LENGTH
        return reason


def _is_special(line: Line, may_be_remote: bool) -> bool:  # noqa: FBT001  the hot path's
    """Return whether a line is more than a piece of an answer: its end, or no part of one."""
    return bool(
        line.done is True
        or (line.done_reason and is_reason(line.done_reason))
        or line.error is not None
        or ((line.remote_host or line.remote_model) and not may_be_remote)
        or (line.message is None and line.done is None)
    )
