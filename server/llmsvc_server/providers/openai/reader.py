"""One answer, from the bytes of its body to events. Pure: no socket, no clock.

Two markers end an answer (docs/failover.md 3.3): a finish reason makes it complete, `[DONE]` says
that nothing follows. Content that comes all the same takes both back.
"""

from collections.abc import Collection, Iterable, Mapping

from typing_extensions import override

from llmsvc_server.chat.adjustment import Adjustment
from llmsvc_server.chat.events import Done, Timings
from llmsvc_server.chat.parts import Piece, Refusal
from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.unfinished import Tails
from llmsvc_server.providers.openai.call_order import CallOrder
from llmsvc_server.providers.openai.chunks import Choice, Chunk, Content, chunks
from llmsvc_server.providers.openai.errors import classify
from llmsvc_server.providers.openai.refusals import has_error, read_error
from llmsvc_server.providers.openai.tool_calls import read_calls
from llmsvc_server.providers.openai.usage import timings_in, usage_in
from llmsvc_server.providers.shared.ending import is_reason
from llmsvc_server.providers.shared.event_reader import EventReader
from llmsvc_server.providers.shared.lenient import Seam
from llmsvc_server.providers.shared.parts import read_parts, read_refusals
from llmsvc_server.providers.shared.sse import ServerEvent
from llmsvc_server.providers.shared.tool_calls import ToolCalls
from llmsvc_server.providers.shared.untyped import text_of

_ERROR_EVENT = b"error"
_OBJECT = b"{"
_BROKEN = "error"
"""The finish reason of an answer that failed, not ended (OpenRouter)."""

_REASONS: Mapping[str, FinishReason] = {
    "stop": FinishReason.STOP,
    "length": FinishReason.MAX_TOKENS,
    "content_filter": FinishReason.CONTENT_FILTER,
}
_CUT = frozenset({FinishReason.MAX_TOKENS, FinishReason.CONTENT_FILTER})


class OpenaiReader(EventReader):
    """Reads one answer, chunk by chunk."""

    __slots__ = ("_is_local", "_order", "_refuses", "_stop", "_stops", "_timings", "_usage")

    def __init__(
        self,
        tails: Tails,
        *,
        is_local: bool,
        stop_sequences: Collection[str] = (),
        calls: ToolCalls | None = None,
    ) -> None:
        """Have read nothing.

        Args:
            tails: Counts what has no end yet; whoever made it clears it.
            is_local: Whether nothing may come from outside the operator's network.
            stop_sequences: What the request wants generation to stop at.
            calls: Takes the answer's tool calls; None where the request offers no tools.
        """
        super().__init__(tails, calls)
        self._order = None if calls is None else CallOrder(tails)
        self._is_local = is_local
        self._stops = stop_sequences
        self._refuses = False
        self._stop: object = None
        self._usage = Usage()
        self._timings = Timings()

    @override
    def begin(self, content_type: str, headers: Mapping[str, str]) -> None:
        super().begin(content_type, headers)
        self.identify(headers.get("x-request-id"))

    @override
    def _done(self, adjustments: tuple[Adjustment, ...]) -> Done:
        reason = self._finish_reason()
        return Done(
            finish_reason=reason,
            provider_finish_reason=self._plain_word,
            stop_sequence=str(self._stop) if reason is FinishReason.STOP_SEQUENCE else "",
            usage=self._usage,
            timings=self._timings,
            adjustments=adjustments,
            provider_response_id=self._id,
        )

    @override
    def _add_event(self, event: ServerEvent) -> None:
        is_error = event.name == _ERROR_EVENT
        if event.data.startswith(_OBJECT) or is_error:
            self._add_chunk(event.data, is_error=is_error)
        elif event.is_end:
            self.over = True  # without a reason, as after an error of vLLM's, never well
        elif not event.says_nothing:
            self._add_chunk(event.data)

    @override
    def _add_whole(self, body: bytes) -> None:
        self._add_chunk(body)

    @override
    def _can_read(self, data: bytes) -> bool:
        return chunks.can_read(data)

    @override
    def _finish(self) -> None:
        if self._order is not None and self.ending.is_marked and self._failure is None:
            self._pass_on(self._order.finish(is_cut=_REASONS.get(self._word) in _CUT))

    def _add_chunk(self, data: bytes, *, is_error: bool = False) -> None:
        try:
            chunk = chunks.decode(data)
        except ProviderError:
            reread = self._reread(data, is_error=is_error)
            if reread is None:
                return
            chunk = reread
        if self._is_local and chunk.is_remote:
            self._disown()
            return
        choice = chunk.choice
        has_content = choice is not None and self._add_choice(choice, data)
        if has_content and self.ending.is_marked:
            self.ending.take_back()
        self._note(chunk)
        if is_error or chunk.is_error:
            self._fail(self._meant(data))
        elif choice is not None and choice.finish_reason:
            self._close(choice, is_alone=not has_content)

    def _close(self, choice: Choice, *, is_alone: bool) -> None:
        """Take why the answer ended, if it has."""
        if choice.finish_reason == _BROKEN:
            self._fail(ProviderError(ErrorKind.TRANSIENT, row="P11"))
        elif is_reason(choice.finish_reason):
            self._mark(choice.finish_reason, is_alone=is_alone)
            self._stop = choice.stop_reason

    def _meant(self, data: bytes) -> ProviderError:
        return classify(read_error(data, is_local=self._is_local))

    def _reread(self, data: bytes, *, is_error: bool) -> Chunk | None:
        """Return what a strict decoder refused; None where nothing of it is content."""
        try:
            chunk = chunks.reread(data)
        except ProviderError:
            if is_error or has_error(data):
                self._fail(self._meant(data))
                return None
            if self.ending.excuses(data):
                return None
            raise
        self._seam = self._seam or Seam()
        return chunk

    def _add_choice(self, choice: Choice, data: bytes) -> bool:
        """Take a choice's content, which stands in `data`; return whether it has any."""
        content = choice.delta or choice.message
        if content is None:
            return False
        said = content.content or ""
        text, thinks = (said, False) if isinstance(said, str) else read_parts(said)
        lives = bool(thinks or content.reasoning or content.reasoning_content)
        if text:
            self._add_text(text)
        declined = text_of(content.refusal) + ("" if isinstance(said, str) else read_refusals(said))
        if declined:
            self._add_refusal(Refusal(text=declined))
        if content.tool_calls or content.function_call:
            lives = True
            self._add_calls(content, data, is_whole=choice.delta is None)
        self._lives = self._lives or lives
        return lives or bool(text or declined)

    def _add_text(self, text: str) -> None:
        if self._order is None or not self._order.is_open:
            self._texts.append(text)
        else:
            self._pass_on(self._order.add_text(text))

    def _add_refusal(self, refusal: Refusal) -> None:
        self._refuses = True
        if self._order is None or not self._order.is_open:
            self._decline(refusal.text)
        else:
            self._pass_on(self._order.add_text(refusal))

    def _add_calls(self, content: Content, data: bytes, *, is_whole: bool) -> None:
        if self._order is None:
            self._begin_call(None, None)
        elif more := self._order.add_more(content):
            self._go_on_with_call(more)
        else:
            self._pass_on(self._order.add_calls(read_calls(content, data), is_whole=is_whole))

    def _pass_on(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            if isinstance(piece, str):
                self._texts.append(piece)
            elif isinstance(piece, Refusal):
                self._decline(piece.text)
            elif piece.name:
                self._begin_call(piece.id, piece.name, piece.arguments_json)
            else:
                self._go_on_with_call(piece.arguments_json)

    def _note(self, chunk: Chunk) -> None:
        """Keep what a chunk says about the answer; the last word counts."""
        if chunk.id != self._id:
            self.identify(chunk.id)
        if chunk.usage or chunk.x_groq:
            self._usage = usage_in(chunk) or self._usage
        if chunk.timings:
            self._timings = timings_in(chunk) or self._timings

    def _finish_reason(self) -> FinishReason:
        if self._refuses:
            return FinishReason.REFUSAL
        reason = _REASONS.get(self._word, FinishReason.OTHER)
        is_ours = isinstance(self._stop, str) and self._stop in self._stops
        if is_ours and self._word == "stop":
            reason = FinishReason.STOP_SEQUENCE
        return self._reason(reason)
