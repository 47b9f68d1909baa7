"""One answer, from the bytes of its body to events. Pure: no socket, no clock.

Two markers end an answer (docs/failover.md 3.3): a stop reason makes it complete, `message_stop`
says that nothing follows, and nothing behind it is looked at. Content behind a reason alone takes
that back. What comes out depends on the bytes only, not on where the network cut them.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from llmsvc_server.chat.adjustment import Adjustment
from llmsvc_server.chat.events import SIGN_OF_LIFE, Delta, Done, SignOfLife
from llmsvc_server.chat.usage import FinishReason
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.anthropic.errors import classify
from llmsvc_server.providers.anthropic.refusals import read_error
from llmsvc_server.providers.anthropic.usage import Counts
from llmsvc_server.providers.anthropic.wire import (
    Block,
    BlockDelta,
    BlockStart,
    Event,
    Failure,
    Message,
    MessageDelta,
    MessageStart,
    MessageStop,
    Opening,
    Piece,
    Stop,
    decode_event,
    decode_message,
    is_json,
    reread_event,
)
from llmsvc_server.providers.http.unfinished import Tail, Tails
from llmsvc_server.providers.shared.ending import Ending, is_reason
from llmsvc_server.providers.shared.lenient import Seam, read_leniently
from llmsvc_server.providers.shared.lines import MAX_LINE_BYTES
from llmsvc_server.providers.shared.sse import MAX_EVENT_BYTES, EventBuffer, ServerEvent
from llmsvc_server.providers.shared.tool_calls import LEFT_OUT, reason_with_calls
from llmsvc_server.providers.shared.untyped import text_of

MAX_EMPTY_EVENTS = 10_000
MAX_EMPTY_BYTES = 256 * 1024
"""How much may come before the first content or thinking (docs/failover.md 3.1)."""

_TEXT = "text"
_TEXT_DELTA = "text_delta"
_THINKING = frozenset({"thinking", "redacted_thinking"})
_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_SIGNS = frozenset({"thinking_delta", "input_json_delta"})

_REASONS: Mapping[str, FinishReason] = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP_SEQUENCE,
    "max_tokens": FinishReason.MAX_TOKENS,
    "model_context_window_exceeded": FinishReason.CONTEXT_LENGTH,
    "refusal": FinishReason.REFUSAL,
}
_PLAIN_WORD = re.compile(r"[a-z0-9_.-]{1,64}")
_PLAIN_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Reading:
    """Takes an answer's bytes in and gives its events out.

    Attributes:
        over: Whether the answer has ended, well or badly; what comes after it is not looked at.
        ending: What it has said of its end.
    """

    __slots__ = (
        "_buffer",
        "_calls",
        "_counts",
        "_empty_bytes",
        "_empty_events",
        "_failure",
        "_has_begun",
        "_has_text",
        "_id",
        "_seam",
        "_sequence",
        "_stop_sequences",
        "_tails",
        "_texts",
        "_thinks",
        "_unopened_bytes",
        "_whole",
        "_word",
        "ending",
        "over",
    )

    def __init__(self, tails: Tails, stop_sequences: Collection[str] = ()) -> None:
        """Have read nothing.

        Args:
            tails: Counts what has no end yet; whoever made it clears it.
            stop_sequences: What the request wants generation to stop at.
        """
        self.over = False
        self.ending = Ending()
        self._stop_sequences = stop_sequences
        self._tails = tails
        self._buffer = EventBuffer(tails)
        self._whole: Tail | None = None
        self._has_begun = False
        self._has_text = False
        self._seam: Seam | None = None
        self._empty_events = 0
        self._empty_bytes = 0
        self._unopened_bytes = 0
        self._texts: list[str] = []
        self._thinks = False
        self._calls = False
        self._id = ""
        self._word = ""
        self._sequence = ""
        self._counts = Counts()
        self._failure: ProviderError | None = None

    @property
    def phase(self) -> str:
        """How far the answer has come: "first_token" is awaited, or "stream"."""
        return "stream" if self._has_begun else "first_token"

    def expect_whole(self) -> None:
        """Be ready for one JSON body instead of a stream: an answer or an error."""
        self._whole = Tail(self._tails)

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
        if self._whole is not None:
            return self._take_whole(self._whole, data)
        self._count_unopened(len(data))
        try:
            for event in self._buffer.feed(data) if data else self._last_events():
                self._add(event)
                self._count_empty(event)
                if self.over:
                    break
        except ProviderError as error:
            if error.kind is not ErrorKind.PROTOCOL:
                raise
            self._fail(error)
        self.over = self.over or not data
        return self._news()

    def end(self, adjustments: tuple[Adjustment, ...] = ()) -> Done:
        """Return how the answer ended, once it is `over`.

        Args:
            adjustments: What was not run as asked.

        Raises:
            ProviderError: Not well.
        """
        if self._failure is not None:
            raise self._failure
        if not self.ending.is_marked:
            raise ProviderError(ErrorKind.TRANSIENT, row="C07", phase=self.phase)
        reason = _REASONS.get(self._word, FinishReason.OTHER)
        return Done(
            finish_reason=reason_with_calls(reason) if self._calls else reason,
            provider_finish_reason=self._word if _PLAIN_WORD.fullmatch(self._word) else "other",
            stop_sequence="" if self._calls else self._sequence,
            usage=self._counts.usage,
            adjustments=(*adjustments, LEFT_OUT) if self._calls else adjustments,
            provider_response_id=self._id,
        )

    def _take_whole(self, body: Tail, data: bytes) -> Delta | SignOfLife | None:
        body.add(data)
        if body.size_bytes > MAX_LINE_BYTES:
            self._fail(ProviderError(ErrorKind.PROTOCOL, row="C08"))
        elif not data:
            self.over = True
            try:
                self._add_whole(body.whole())
            except ProviderError as error:
                self._fail(error)
        return self._news()

    def _add_whole(self, body: bytes) -> None:
        try:
            message = decode_message(body)
        except ProviderError:
            message = read_leniently(body, Message)
            self._seam = Seam()
        if message.type == "error" or message.error:
            self._fail(classify(read_error(body)))
            return
        for block in message.content or ():
            self._open(block)
        self._identify(message)
        self._counts.go_on(message.usage)
        self._close(Stop(message.stop_reason, message.stop_sequence))

    def _last_events(self) -> list[ServerEvent]:
        """Return the event that came without a blank line, unless it was cut in the middle.

        Then it says no more than the end of the body does.
        """
        whole: list[ServerEvent] = []
        for event in self._buffer.rest():
            if is_json(event.data) or event.is_end:
                whole.append(event)
            elif not self.ending.excuses(event.data):
                self.ending.take_back()
        return whole

    def _add(self, event: ServerEvent) -> None:
        match self._decoded(event):
            case BlockDelta(piece):
                self._go_on(piece)
            case BlockStart(block):
                self._open(block)
            case MessageStart(message):
                opening = message or Opening()
                self._identify(opening)
                self._counts.begin(opening.usage)
            case MessageDelta(stop, usage):
                self._counts.go_on(usage)
                self._close(stop or Stop())
            case MessageStop():
                self.over = True
            case Failure():
                self._fail(classify(read_error(event.data)))
            case None:
                pass

    def _decoded(self, event: ServerEvent) -> Event | None:
        try:
            return decode_event(event)
        except ProviderError:
            return self._reread(event)

    def _reread(self, event: ServerEvent) -> Event | None:
        """Return what a strict decoder refused; None for a framing marker that was spoilt."""
        try:
            reread = reread_event(event)
        except ProviderError:
            if self.ending.excuses(event.data):
                return None
            raise
        self._seam = self._seam or Seam()
        return reread

    def _open(self, block: Block) -> None:
        kind = text_of(block.type)
        if kind == _TEXT:
            self._say(block.text)
        elif kind in _THINKING:
            self._live()
        elif kind in _CALLS:
            self._calls = True
            self._live()

    def _go_on(self, piece: Piece) -> None:
        kind = text_of(piece.type)
        if kind == _TEXT_DELTA:
            self._say(piece.text)
        elif kind in _SIGNS:
            self._live()

    def _say(self, text: object) -> None:
        if not text:
            return
        if not isinstance(text, str):
            raise ProviderError(ErrorKind.PROTOCOL, row="C08")
        self._texts.append(text)
        if self.ending.is_marked:
            self.ending.take_back()

    def _live(self) -> None:
        self._thinks = True
        if self.ending.is_marked:
            self.ending.take_back()

    def _close(self, stop: Stop) -> None:
        """Take why the answer ended, if it has."""
        if not is_reason(stop.stop_reason):
            return
        has_text = self._has_text or bool(self._texts)
        is_word = isinstance(stop.stop_reason, str)
        self.ending.mark(is_plain=has_text and is_word and not self._calls)
        self._word = stop.stop_reason if isinstance(stop.stop_reason, str) else ""
        sequence = stop.stop_sequence
        is_ours = isinstance(sequence, str) and sequence in self._stop_sequences
        self._sequence = str(sequence) if is_ours and self._word == "stop_sequence" else ""

    def _identify(self, message: Message | Opening) -> None:
        if isinstance(message.id, str) and _PLAIN_ID.fullmatch(message.id):
            self._id = message.id

    def _news(self) -> Delta | SignOfLife | None:
        """Return what came since the last call."""
        text = "".join(self._texts)
        lives = self._thinks or bool(text)
        self._texts.clear()
        self._thinks = False
        if self._seam is not None:
            text = self._seam.join(text, is_last=self.over)
        if not lives and not text:
            return None
        self._has_begun = True
        self._has_text = self._has_text or bool(text)
        return Delta(text) if text else SIGN_OF_LIFE

    def _count_empty(self, event: ServerEvent) -> None:
        """Take an event into account if no content has come, with it neither."""
        if self._has_begun or self._texts or self._thinks:
            return
        self._empty_events += 1
        self._empty_bytes += len(event.data)
        if self._empty_events > MAX_EMPTY_EVENTS or self._empty_bytes > MAX_EMPTY_BYTES:
            raise ProviderError(ErrorKind.PROTOCOL, row="C08")

    def _count_unopened(self, size_bytes: int) -> None:
        """Bound what is no event, such as comments; the first one with content may be long."""
        if not self._has_begun:
            self._unopened_bytes += size_bytes
            if self._unopened_bytes > MAX_EMPTY_BYTES + MAX_EVENT_BYTES:
                self._fail(ProviderError(ErrorKind.PROTOCOL, row="C08"))

    def _fail(self, error: ProviderError) -> None:
        self.over = True
        if self._has_begun or self._texts or self._thinks:
            error = replace(error, phase="stream")
        self._failure = self._failure or error
