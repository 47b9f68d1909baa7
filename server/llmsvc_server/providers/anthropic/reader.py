"""One answer, from the bytes of its body to events. Pure: no socket, no clock.

Two markers end an answer (docs/failover.md 3.3): a stop reason makes it complete, `message_stop`
says that nothing follows, and nothing behind it is looked at. Content behind a reason alone takes
that back.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial

from typing_extensions import override

from llmsvc_server.chat.adjustment import Adjustment
from llmsvc_server.chat.events import Done
from llmsvc_server.chat.usage import FinishReason
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.anthropic.errors import classify
from llmsvc_server.providers.anthropic.refusals import read_error
from llmsvc_server.providers.anthropic.tool_calls import written_at_start, written_in_whole
from llmsvc_server.providers.anthropic.usage import Counts
from llmsvc_server.providers.anthropic.wire import (
    Block,
    BlockDelta,
    BlockStart,
    Event,
    Failure,
    MessageDelta,
    MessageStart,
    MessageStop,
    Opening,
    Piece,
    Stop,
    decode_event,
    kinds,
    messages,
    reread_event,
)
from llmsvc_server.providers.http.unfinished import Tails
from llmsvc_server.providers.shared.ending import is_reason
from llmsvc_server.providers.shared.event_reader import EventReader
from llmsvc_server.providers.shared.lenient import Seam
from llmsvc_server.providers.shared.sse import ServerEvent
from llmsvc_server.providers.shared.tool_calls import ToolCalls
from llmsvc_server.providers.shared.untyped import text_of

_TEXT = "text"
_TEXT_DELTA = "text_delta"
_THINKING = frozenset({"thinking", "redacted_thinking"})
_CALL = "tool_use"
_CALLS_OF_SERVERS = frozenset({"server_tool_use", "mcp_tool_use"})
_CALL_DELTA = "input_json_delta"
_THINKING_DELTA = "thinking_delta"
_NO_ARGUMENTS = "{}"

_REASONS: Mapping[str, FinishReason] = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP_SEQUENCE,
    "max_tokens": FinishReason.MAX_TOKENS,
    "model_context_window_exceeded": FinishReason.CONTEXT_LENGTH,
    "refusal": FinishReason.REFUSAL,
}


class AnthropicReader(EventReader):
    """Reads one answer, event by event."""

    __slots__ = ("_call_is_bare", "_counts", "_in_call", "_sequence", "_stop_sequences")

    def __init__(
        self, tails: Tails, stop_sequences: Collection[str] = (), calls: ToolCalls | None = None
    ) -> None:
        """Have read nothing.

        Args:
            tails: Counts what has no end yet; whoever made it clears it.
            stop_sequences: What the request wants generation to stop at.
            calls: Takes the answer's tool calls; None where the request offers no tools.
        """
        super().__init__(tails, calls)
        self._in_call = self._call_is_bare = False
        self._stop_sequences = stop_sequences
        self._sequence = ""
        self._counts = Counts()

    @override
    def _done(self, adjustments: tuple[Adjustment, ...]) -> Done:
        reason = _REASONS.get(self._word, FinishReason.OTHER)
        return Done(
            finish_reason=self._reason(reason),
            provider_finish_reason=self._plain_word,
            stop_sequence="" if self._has_left_out else self._sequence,
            usage=self._counts.usage,
            adjustments=adjustments,
            provider_response_id=self._id,
        )

    @override
    def _add_whole(self, body: bytes) -> None:
        try:
            message = messages.decode(body)
        except ProviderError:
            message = messages.reread(body)
            self._seam = Seam()
        if message.type == "error" or message.error:
            self._fail(classify(read_error(body)))
            return
        for number, block in enumerate(message.content or ()):
            self._open(block, partial(written_in_whole, body, number))
        self.identify(message.id)
        self._counts.go_on(message.usage)
        self._close(Stop(message.stop_reason, message.stop_sequence))

    @override
    def _can_read(self, data: bytes) -> bool:
        return kinds.can_read(data)

    @override
    def _add_event(self, event: ServerEvent) -> None:
        match self._decode(event):
            case BlockDelta(piece):
                self._go_on(piece)
            case BlockStart(block):
                self._open(block, partial(written_at_start, event.data))
            case MessageStart(message):
                opening = message or Opening()
                self.identify(opening.id)
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

    def _decode(self, event: ServerEvent) -> Event | None:
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

    def _open(self, block: Block, written: Callable[[], str]) -> None:
        """Take a block's beginning; `written` tells its arguments as they stand there."""
        self._end_call()
        kind = text_of(block.type)
        if kind == _TEXT:
            self._say(block.text)
        elif kind in _THINKING:
            self._live()
        elif kind == _CALL:
            whole = block.input
            arguments = whole if isinstance(whole, str) else written() if whole else ""
            self._in_call, self._call_is_bare = True, not arguments
            self._begin_call(block.id, block.name, arguments)
            self._live()
        elif kind in _CALLS_OF_SERVERS:
            self._has_left_out = True
            self._live()

    def _go_on(self, piece: Piece) -> None:
        kind = text_of(piece.type)
        if kind == _TEXT_DELTA:
            self._say(piece.text)
        elif kind == _CALL_DELTA:
            arguments = text_of(piece.partial_json)
            if self._in_call and arguments:
                self._call_is_bare = False
                self._go_on_with_call(arguments)
            self._live()
        elif kind == _THINKING_DELTA:
            self._live()

    def _end_call(self) -> None:
        """Give a call without arguments those that it has: none."""
        if self._in_call and self._call_is_bare:
            self._go_on_with_call(_NO_ARGUMENTS)
        self._in_call = self._call_is_bare = False

    def _say(self, text: object) -> None:
        if not text:
            return
        if not isinstance(text, str):
            raise ProviderError(ErrorKind.PROTOCOL, row="C08")
        if self._in_call:  # whatever its block says
            self._end_call()
        self._texts.append(text)
        if self.ending.is_marked:
            self.ending.take_back()

    def _live(self) -> None:
        self._lives = True
        if self.ending.is_marked:
            self.ending.take_back()

    def _close(self, stop: Stop) -> None:
        """Take why the answer ended, if it has."""
        if not is_reason(stop.stop_reason):
            return
        self._end_call()
        self._mark(stop.stop_reason, is_alone=True)
        sequence = stop.stop_sequence
        is_ours = isinstance(sequence, str) and sequence in self._stop_sequences
        self._sequence = str(sequence) if is_ours and self._word == "stop_sequence" else ""
