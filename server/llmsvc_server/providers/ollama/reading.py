"""One answer of /api/chat, from the bytes of its body to events. Pure: no socket, no clock.

Rules: facts/ollama.md section 3. What comes out depends on the bytes only, not on where the
network cut them.
"""

import contextlib
import re
from collections.abc import Sequence

from llmsvc_server.chat.adjustment import Adjustment
from llmsvc_server.chat.events import Delta, Done, Timings
from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.errors import (
    ModelOutputInvalid,
    PrivacyViolated,
    ProviderError,
    ProviderFailed,
    ProviderProtocolError,
)
from llmsvc_server.providers.lines import LineBuffer
from llmsvc_server.providers.ollama.errors import classify
from llmsvc_server.providers.ollama.refusals import said_in_line
from llmsvc_server.providers.ollama.wire import Line, decode_lines

MAX_EMPTY_LINES = 10_000
MAX_EMPTY_BYTES = 256 * 1024
"""How much may come before the first content or thinking (failover.md 3.1)."""

REPEATS = 30
"""Ollama stops a model, without saying so, after 31 equal tokens; blanks count as equal."""

_WORDS = {"stop": FinishReason.STOP, "length": FinishReason.MAX_TOKENS}
_PLAIN_WORD = re.compile(r"[a-z_]{1,32}")
"""A reason that we do not know is passed on if it can be nothing but a word."""

_OF_LOADING = {"load", "unload"}


class Reading:
    """Takes an answer's bytes in and gives its events out.

    Attributes:
        over: Whether the answer has ended, well or badly; what comes after it is not looked at.
    """

    __slots__ = (
        "_buffer",
        "_empty_bytes",
        "_empty_lines",
        "_failure",
        "_has_begun",
        "_last",
        "_latest",
        "_may_be_remote",
        "_repeats",
        "_window_tokens",
        "over",
    )

    def __init__(self, window_tokens: int | None, *, may_be_remote: bool = False) -> None:
        """Have read nothing.

        Args:
            window_tokens: The context window; None if unknown.
            may_be_remote: Whether the answer may come from elsewhere: on a remote route.
        """
        self._may_be_remote = may_be_remote
        self.over = False
        self._window_tokens = window_tokens
        self._buffer = LineBuffer()
        self._has_begun = False
        self._empty_lines = 0
        self._empty_bytes = 0
        self._latest = ""
        self._repeats = 0
        self._last: Line | None = None
        self._failure: ProviderError | None = None

    @property
    def phase(self) -> str:
        """How far the answer has come: "first_token" is awaited, or "stream"."""
        return "stream" if self._has_begun else "first_token"

    def take(self, data: bytes) -> Delta | None:
        """Return what one network read adds to the answer.

        Args:
            data: The next bytes of the body. Not called again once `over`.

        Returns:
            The new text, all in one. Empty text where the model only thinks: a sign of life.
            None if nothing came of it yet.
        """
        try:
            block = self._buffer.feed(data)
        except ProviderProtocolError as error:
            self._fail(error)
            return None
        try:
            lines = decode_lines(block)
        except ProviderProtocolError as error:
            return self._salvage(block, error)
        if len(lines) == 1 and not _ends(lines[0], self._may_be_remote):
            # The usual read. What follows would come to the same at twice the price.
            message = lines[0].message
            text = message.content if message is not None else None
            if text and (trimmed := text.strip()) != self._latest:
                self._latest, self._repeats = trimmed, 1
                self._has_begun = True
                return Delta(text)
        return self._add(lines, len(block))

    def finish(self) -> Delta | None:
        """Return what a last line without a newline adds, once the body has ended."""
        rest = self._buffer.rest()
        try:
            return self._add(decode_lines(rest), len(rest))
        except ProviderProtocolError as error:
            # What begins as one of Ollama's lines was cut in the middle, and is no answer's end.
            if not rest.startswith(b"{"):
                self._fail(error)
            return None

    def end(self, adjustments: tuple[Adjustment, ...] = ()) -> Done:
        """Return how the answer ended, once it is `over` or its body is.

        Args:
            adjustments: What was not run as asked.

        Raises:
            ProviderError: Not well.
        """
        if self._failure is not None:
            raise self._failure
        last = self._last
        if last is None:
            if self._repeats >= REPEATS:
                raise ModelOutputInvalid(row="O00", cause="repetition", phase=self.phase)
            raise ProviderFailed(row="C07", phase=self.phase)
        word = last.done_reason or ""
        return Done(
            finish_reason=self._finish_reason(word, last),
            provider_finish_reason=word if _PLAIN_WORD.fullmatch(word) else "",
            usage=Usage(
                input_tokens=last.prompt_eval_count,
                output_tokens=last.eval_count,
                cached_input_tokens=last.prompt_eval_cached_count,
            ),
            timings=Timings(
                load_s=_seconds(last.load_duration),
                prompt_s=_seconds(last.prompt_eval_duration),
                generation_s=_seconds(last.eval_duration),
            ),
            adjustments=adjustments,
        )

    def _add(self, lines: Sequence[Line], size_bytes: int) -> Delta | None:
        texts, thinks, odd = _collect(lines, self._may_be_remote)
        if texts:
            self._has_begun = True
            self._note_repeats(texts)
        elif thinks:
            self._has_begun = True
        elif not self._has_begun:
            self._count_empty(len(lines), size_bytes)
        if odd is not None:
            self._settle(odd)
            if isinstance(self._failure, PrivacyViolated):
                return None
        if texts:
            return Delta("".join(texts))
        return Delta("") if thinks else None

    def _salvage(self, block: bytes, error: ProviderProtocolError) -> Delta | None:
        """Return what the lines before the broken one add; whoever waits has them already."""
        lines: list[Line] = []
        with contextlib.suppress(ProviderProtocolError):
            for line in block.split(b"\n"):
                lines += decode_lines(line)
        delta = self._add(lines, len(block))
        if not self.over:
            self._fail(error)
        return delta

    def _settle(self, line: Line) -> None:
        """Take the line that ends the answer."""
        self.over = True
        if (line.remote_host or line.remote_model) and not self._may_be_remote:
            self._fail(PrivacyViolated(row="O01"))
        elif line.error is not None:
            of_cloud = line.cloud_status is not None
            self._fail(classify(said_in_line(line.error, of_cloud=of_cloud)))
        elif (line.done_reason or "") in _OF_LOADING:
            self._fail(ProviderProtocolError(row="O03"))
        elif line.done or line.done_reason:
            self._last = line
        else:
            self._fail(ProviderFailed(row="O02"))

    def _fail(self, error: ProviderError) -> None:
        self.over = True
        if self._has_begun:
            error.phase = self.phase
        self._failure = error

    def _count_empty(self, lines: int, size_bytes: int) -> None:
        self._empty_lines += lines
        self._empty_bytes += size_bytes
        if self._empty_lines > MAX_EMPTY_LINES or self._empty_bytes > MAX_EMPTY_BYTES:
            self._fail(ProviderProtocolError(row="C08"))

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

    def _finish_reason(self, word: str, last: Line) -> FinishReason:
        reason = _WORDS.get(word, FinishReason.OTHER) if word else FinishReason.STOP
        if reason is FinishReason.MAX_TOKENS and self._window_tokens is not None:
            used_tokens = (last.prompt_eval_count or 0) + (last.eval_count or 0)
            if used_tokens >= self._window_tokens:
                return FinishReason.CONTEXT_LENGTH
        return reason


def _seconds(nanoseconds: int | None) -> float | None:
    """Return a length that Ollama gave; None where it gave none, or nonsense."""
    return nanoseconds / 1e9 if nanoseconds is not None and nanoseconds >= 0 else None


def _ends(line: Line, may_be_remote: bool) -> bool:  # noqa: FBT001  the hot path's
    """Return whether nothing of an answer follows this line."""
    return bool(
        line.done
        or line.done_reason
        or line.error is not None
        or ((line.remote_host or line.remote_model) and not may_be_remote)
        or (line.message is None and line.done is None)
    )


def _collect(
    lines: Sequence[Line],
    may_be_remote: bool,  # noqa: FBT001  the hot path's
) -> tuple[list[str], bool, Line | None]:
    """Return the texts of lines, whether there was thinking, and the line that ends the answer."""
    texts: list[str] = []
    thinks = False
    for line in lines:
        message = line.message
        if message is not None:
            if message.content:
                texts.append(message.content)
            elif message.thinking:
                thinks = True
        if _ends(line, may_be_remote):
            return texts, thinks, line
    return texts, thinks, None
