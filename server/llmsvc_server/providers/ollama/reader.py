"""One answer of /api/chat, from the bytes of its body to events. Pure: no socket, no clock.

Rules: docs/facts/ollama.md 3. Nothing behind a last line that stands alone is looked at; content
behind any other takes the end back.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from typing_extensions import override

from llmsvc_server.chat.adjustment import Adjustment
from llmsvc_server.chat.events import Delta, Done
from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.unfinished import Tails
from llmsvc_server.providers.ollama.errors import classify
from llmsvc_server.providers.ollama.figures import timings_in, usage_in
from llmsvc_server.providers.ollama.refusals import read_error_line
from llmsvc_server.providers.ollama.repeats import Repeats
from llmsvc_server.providers.ollama.tool_calls import has_calls, read_calls
from llmsvc_server.providers.ollama.wire import Content, Line, decode_few, decode_lines
from llmsvc_server.providers.shared.answer_reader import AnswerReader, Progress
from llmsvc_server.providers.shared.ending import is_reason
from llmsvc_server.providers.shared.lenient import Seam, read_several
from llmsvc_server.providers.shared.lines import BOM, LineBuffer
from llmsvc_server.providers.shared.parts import read_parts
from llmsvc_server.providers.shared.tool_calls import ToolCalls
from llmsvc_server.providers.shared.untyped import SHORT_BYTES, UNREADABLE

_ANSWERS = frozenset({"application/x-ndjson", "application/ndjson", "application/json"})
_WORDS = {"stop": FinishReason.STOP, "length": FinishReason.MAX_TOKENS}
_PLAIN_WORD = re.compile(r"[a-z_]{1,32}")
"""A reason that we do not know is passed on if it can be nothing but a word."""

_OF_LOADING = ("load", "unload")
_NOTHING = frozenset({b"", b"null"})
"""Lines that say nothing: so many fit into one read that each must cost next to nothing."""

_REFUSED = (ProviderError, *UNREADABLE)
"""What the two ways to decode lines raise for those that they refuse."""


class OllamaReader(AnswerReader):
    """Reads one answer, line by line."""

    __slots__ = ("_buffer", "_last", "_may_be_remote", "_repeats", "_window_tokens")

    def __init__(
        self,
        window_tokens: int | None,
        tails: Tails,
        *,
        may_be_remote: bool = False,
        calls: ToolCalls | None = None,
    ) -> None:
        """Have read nothing.

        Args:
            window_tokens: The context window; None if unknown.
            tails: Counts what has no end yet; whoever made it clears it.
            may_be_remote: Whether the answer may come from elsewhere: on a remote route.
            calls: Takes the answer's tool calls; None where the request offers no tools.
        """
        super().__init__(tails, calls)
        self._may_be_remote = may_be_remote
        self._window_tokens = window_tokens
        self._buffer = LineBuffer(tails)
        self._repeats = Repeats()
        self._last: Line | None = None

    @override
    def begin(self, content_type: str, headers: Mapping[str, str]) -> None:
        check_content_type(content_type)

    @override
    def take(self, data: bytes) -> Progress:
        if not data:
            return self._finish()
        # The usual read ends with its line, and needs neither buffer nor count of values.
        is_usual = self._buffer.tail is None and self._whole is None and data[-1:] == b"\n"
        block = data if is_usual else self._feed(data)
        try:
            lines = decode_few(block) if len(block) <= SHORT_BYTES else decode_lines(block)
        except _REFUSED:
            return self._salvage(block)
        texts, repeats = self._texts, self._repeats
        for line in lines:
            message = line.message
            if (
                message is None
                or not isinstance(message.content, str)
                or message.thinking
                or message.tool_calls
                or line.done is True
                or line.done_reason
                or line.error is not None
                or line.remote_host
                or line.remote_model
                or self.ending.is_marked
            ):
                self._add(line)
                if self.over:
                    break
            elif message.content:
                texts.append(message.content)
        if (
            len(texts) == 1
            and not self._lives
            and self._seam is None
            and (trimmed := texts[0].strip()) != repeats.latest
        ):
            # One token. What follows would come to the same at twice the price.
            repeats.latest, repeats.count = trimmed, 1
            self._has_begun = self._has_content = True
            return Delta(texts.pop())
        return self._collect(len(lines), len(block))

    @override
    def _done(self, adjustments: tuple[Adjustment, ...]) -> Done:
        last = self._last or Line()
        usage = usage_in(last)
        reason = self._finish_reason(last.done_reason, usage)
        return Done(
            finish_reason=self._reason(reason),
            provider_finish_reason=self._word if _PLAIN_WORD.fullmatch(self._word) else "",
            usage=usage,
            timings=timings_in(last),
            adjustments=adjustments,
        )

    @override
    def _broken_off(self) -> ProviderError:
        if self._repeats.ended_it:
            return ProviderError(
                ErrorKind.MODEL_OUTPUT, row="O00", cause="repetition", phase=self.phase
            )
        return super()._broken_off()

    @override
    def _collect(self, pieces: int, size_bytes: int) -> Progress:
        if self._texts:
            self._repeats.add(self._texts)
        return super()._collect(pieces, size_bytes)

    def _feed(self, data: bytes) -> bytes:
        """Return the whole lines that `data` completes, where they are not just `data`."""
        if self._whole is not None:
            self._gather(data)
            return b""
        try:
            return self._buffer.feed(data)
        except ProviderError as error:
            if error.kind is not ErrorKind.PROTOCOL:
                raise
            self._fail(error)
            return b""

    def _finish(self) -> Progress:
        """Return what the rest of the body adds, once it has ended: a last line, or all of it."""
        is_line = self._whole is None
        rest = self._buffer.rest() if self._whole is None else self._whole.whole()
        try:
            self._add_all(self._lines_in(rest))
        except ProviderError as error:
            if is_line and rest.startswith(b"{"):
                # One of Ollama's lines, cut in the middle.
                if not self.ending.is_believed:
                    self.ending.take_back()
            elif not self.ending.is_marked:
                self._fail(error)
        self.over = True
        return self._collect(0, 0)

    def _lines_in(self, rest: bytes) -> Sequence[Line]:
        try:
            return decode_lines(rest)
        except ProviderError:
            lines = read_several(rest, Line)
            self._seam = self._seam or Seam()
            return lines

    def _salvage(self, block: bytes) -> Progress:
        """Return what the lines around a broken one add; whoever waits has them already."""
        lines = block.split(b"\n")
        is_first = not (self._has_begun or self._empty_pieces or self.ending.is_marked)
        for number, line in enumerate(lines):
            if is_first and _may_be_indented(line):
                # No lines at all: a proxy may have put the body in other ones.
                self._gather(b"\n".join(lines[number:]) + self._buffer.rest())
                break
            if line.strip() in _NOTHING:
                continue
            self._add_line(line)
            is_first = False
            if self.over:
                break
        return self._collect(len(lines), len(block))

    def _add_line(self, line: bytes) -> None:
        try:
            self._add_all(self._lines_in(line))
        except ProviderError as error:
            if not self.ending.excuses(line):
                self._fail(error)

    def _add_all(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self._add(line)
            if self.over:
                break

    def _add(self, line: Line) -> None:
        """Take a line of any kind: a piece of an answer, its end, or no part of one."""
        lives = line.message is not None and self._add_content(line.message)
        if lives and self.ending.is_marked:
            self.ending.take_back()
        if (line.remote_host or line.remote_model) and not self._may_be_remote:
            self._disown()
        elif line.error is not None:
            of_cloud = line.cloud_status is not None
            signal = read_error_line(line.error, of_cloud=of_cloud)
            self._fail(classify(signal, window_tokens=self._window_tokens))
        elif line.done_reason in _OF_LOADING:
            self._fail(ProviderError(ErrorKind.PROTOCOL, row="O03"))
        elif line.done is True or is_reason(line.done_reason):
            self._last = line
            word = "" if line.done_reason is None else line.done_reason
            is_plain = self._mark(word, is_alone=not lives)
            if line.done is True and is_plain:
                self.over = True
        elif line.message is None and line.done is None and not self.ending.is_believed:
            self._fail(ProviderError(ErrorKind.TRANSIENT, row="O02"))

    def _add_content(self, message: Content) -> bool:
        """Take what a line says; return whether that shows any life."""
        said = message.content or ""
        try:
            text, thinks = (said, False) if isinstance(said, str) else read_parts(said)
            if text:
                self._texts.append(text)
            calls = has_calls(message.tool_calls) and self._add_calls(message.tool_calls)
        except ProviderError as error:
            self._fail(error)
            return False
        lives = bool(thinks or message.thinking or calls)
        self._lives = self._lives or lives
        return lives or bool(text)

    def _add_calls(self, value: object) -> bool:
        """Take what a line has of calls; return whether that shows any life, as it does."""
        self._repeats.latest, self._repeats.count = "", 0
        if self._calls is None:
            self._has_left_out = True  # without a look at them: they may be of any shape
            return True
        for call in read_calls(value):
            self._begin_call(call.id, call.name, call.arguments_json)
        return True

    def _finish_reason(self, word: object, usage: Usage) -> FinishReason:
        reason = _WORDS.get(word) if isinstance(word, str) else None
        if reason is None:
            return FinishReason.OTHER if is_reason(word) else FinishReason.STOP
        if reason is FinishReason.MAX_TOKENS and self._window_tokens is not None:
            used_tokens = (usage.input_tokens or 0) + (usage.output_tokens or 0)
            if used_tokens >= self._window_tokens:
                return FinishReason.CONTEXT_LENGTH
        return reason


def check_content_type(content_type: str) -> None:
    """Return if a body of that type can be an answer.

    Raises:
        ProviderError: PROTOCOL. It can't.
    """
    if content_type not in _ANSWERS:
        raise ProviderError(ErrorKind.PROTOCOL, row="C08", status=200)


def _may_be_indented(line: bytes) -> bool:
    """Return whether a first line begins an object without ending it."""
    line = line.removeprefix(BOM).strip()
    return line.startswith(b"{") and not line.endswith(b"}")
