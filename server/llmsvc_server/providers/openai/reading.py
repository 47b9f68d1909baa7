"""One answer, from the bytes of its body to events. Pure: no socket, no clock.

Two markers end an answer (docs/failover.md 3.3): a finish reason makes it complete, `[DONE]` says
that nothing follows. Content that comes all the same takes both back. What comes out depends on the
bytes only, not on where the network cut them.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from llmsvc_server.chat.adjustment import Adjustment
from llmsvc_server.chat.events import SIGN_OF_LIFE, Delta, Done, SignOfLife, Timings
from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.unfinished import Tail, Tails
from llmsvc_server.providers.openai.errors import classify
from llmsvc_server.providers.openai.refusals import has_error, read_error
from llmsvc_server.providers.openai.usage import timings_in, usage_in
from llmsvc_server.providers.openai.wire import Choice, Chunk, decode_chunk
from llmsvc_server.providers.shared.ending import Ending, is_reason
from llmsvc_server.providers.shared.lenient import Seam, read_leniently
from llmsvc_server.providers.shared.lines import MAX_LINE_BYTES
from llmsvc_server.providers.shared.parts import read_parts
from llmsvc_server.providers.shared.sse import EventBuffer, ServerEvent
from llmsvc_server.providers.shared.tool_calls import LEFT_OUT, reason_with_calls

MAX_EMPTY_EVENTS = 10_000
MAX_EMPTY_BYTES = 256 * 1024
"""How much may come before the first content or thinking, without that (docs/failover.md 3.1)."""

_ERROR_EVENT = b"error"
_OBJECT = b"{"
_BROKEN = "error"
"""The finish reason of an answer that failed, not ended (OpenRouter)."""

_REASONS: Mapping[str, FinishReason] = {
    "stop": FinishReason.STOP,
    "length": FinishReason.MAX_TOKENS,
    "content_filter": FinishReason.CONTENT_FILTER,
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
        "_empty_bytes",
        "_empty_events",
        "_failure",
        "_has_begun",
        "_has_text",
        "_id",
        "_is_local",
        "_refuses",
        "_seam",
        "_stop",
        "_stops",
        "_tails",
        "_texts",
        "_thinks",
        "_timings",
        "_usage",
        "_whole",
        "_word",
        "ending",
        "over",
    )

    def __init__(
        self, tails: Tails, *, is_local: bool, stop_sequences: Collection[str] = ()
    ) -> None:
        """Have read nothing.

        Args:
            tails: Counts what has no end yet; whoever made it clears it.
            is_local: Whether nothing may come from outside the operator's network.
            stop_sequences: What the request wants generation to stop at.
        """
        self.over = False
        self.ending = Ending()
        self._is_local = is_local
        self._stops = stop_sequences
        self._id = ""
        self._tails = tails
        self._buffer = EventBuffer(tails)
        self._whole: Tail | None = None
        self._has_begun = False
        self._has_text = False
        self._empty_events = 0
        self._empty_bytes = 0
        self._texts: list[str] = []
        self._thinks = False
        self._calls = False
        self._refuses = False
        self._seam: Seam | None = None
        self._word = ""
        self._stop: object = None
        self._usage = Usage()
        self._timings = Timings()
        self._failure: ProviderError | None = None

    @property
    def phase(self) -> str:
        """How far the answer has come: "first_token" is awaited, or "stream"."""
        return "stream" if self._has_begun else "first_token"

    def expect_whole(self) -> None:
        """Be ready for one JSON body instead of a stream: some servers give nothing else."""
        self._whole = Tail(self._tails)

    def identify(self, answer_id: object) -> None:
        """Take a name that the provider gave the answer; the last one counts."""
        if answer_id != self._id and isinstance(answer_id, str) and _PLAIN_ID.fullmatch(answer_id):
            self._id = answer_id

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
        events: list[ServerEvent] = []
        try:
            events = self._buffer.feed(data) if data else self._last_events()
            for event in events:
                self._add_event(event)
                if self.over:
                    break
        except ProviderError as error:
            if error.kind is not ErrorKind.PROTOCOL:
                raise
            self._fail(error)
        self.over = self.over or not data
        return self._news(len(events), len(data))

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
            raise ProviderError(ErrorKind.TRANSIENT, row="C07", phase=self.phase)
        reason = self._finish_reason()
        return Done(
            finish_reason=reason,
            provider_finish_reason=self._word if _PLAIN_WORD.fullmatch(self._word) else "other",
            stop_sequence=str(self._stop) if reason is FinishReason.STOP_SEQUENCE else "",
            usage=self._usage,
            timings=self._timings,
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
                self._add_chunk(body.whole())
            except ProviderError as error:
                self._fail(error)
        return self._news(0, 0)

    def _last_events(self) -> list[ServerEvent]:
        """Return the event that came without a blank line, unless it was cut in the middle.

        Then it says no more than the end of the body does.
        """
        whole: list[ServerEvent] = []
        for event in self._buffer.rest():
            try:
                if not (event.is_end or event.says_nothing):
                    _read(event.data)
                whole.append(event)
            except ProviderError:
                if not self.ending.excuses(event.data):
                    self.ending.take_back()
        return whole

    def _add_event(self, event: ServerEvent) -> None:
        is_error = event.name == _ERROR_EVENT
        if event.data.startswith(_OBJECT) or is_error:
            self._add_chunk(event.data, is_error=is_error)
        elif event.is_end:
            self.over = True  # without a reason, as after an error of vLLM's, never well
        elif not event.says_nothing:
            self._add_chunk(event.data)

    def _add_chunk(self, data: bytes, *, is_error: bool = False) -> None:
        try:
            chunk = decode_chunk(data)
        except ProviderError:
            reread = self._reread(data, is_error=is_error)
            if reread is None:
                return
            chunk = reread
        if self._is_local and chunk.is_remote:
            self._texts.clear()
            self._thinks = False
            self._fail(ProviderError(ErrorKind.VIOLATION, row="O01"))
            return
        choice = next((one for one in chunk.choices or () if one.is_ours), None)
        has_content = choice is not None and self._add_choice(choice)
        if has_content and self.ending.is_marked:
            self.ending.take_back()
        self._note(chunk)
        if is_error or chunk.is_error:
            self._fail(self._meant(data))
        elif choice is not None and choice.finish_reason == _BROKEN:
            self._fail(ProviderError(ErrorKind.TRANSIENT, row="P11"))
        elif choice is not None and is_reason(choice.finish_reason):
            has_text = self._has_text or bool(self._texts)
            word = choice.finish_reason
            is_word = isinstance(word, str)
            self.ending.mark(is_plain=has_text and is_word and not has_content and not self._calls)
            self._word = word if isinstance(word, str) else ""
            self._stop = choice.stop_reason

    def _meant(self, data: bytes) -> ProviderError:
        return classify(read_error(data, is_local=self._is_local))

    def _reread(self, data: bytes, *, is_error: bool) -> Chunk | None:
        """Return what a strict decoder refused; None where nothing of it is content."""
        try:
            chunk = read_leniently(data, Chunk)
        except ProviderError:
            if is_error or has_error(data):
                self._fail(self._meant(data))
                return None
            if self.ending.excuses(data):
                return None
            raise
        self._seam = self._seam or Seam()
        return chunk

    def _add_choice(self, choice: Choice) -> bool:
        """Take a choice's content; return whether it has any."""
        content = choice.delta or choice.message
        if content is None:
            return False
        said = content.content or ""
        text, thinks = (said, False) if isinstance(said, str) else read_parts(said)
        lives = bool(thinks or content.reasoning or content.reasoning_content)
        if isinstance(content.refusal, str) and content.refusal:
            text += content.refusal
            self._refuses = True
        if content.tool_calls or content.function_call:
            lives = self._calls = True
        if text:
            self._texts.append(text)
        self._thinks = self._thinks or lives
        return lives or bool(text)

    def _note(self, chunk: Chunk) -> None:
        """Keep what a chunk says about the answer; the last word counts."""
        self.identify(chunk.id)
        if chunk.usage or chunk.x_groq:
            self._usage = usage_in(chunk) or self._usage
        if chunk.timings:
            self._timings = timings_in(chunk) or self._timings

    def _news(self, events: int, size_bytes: int) -> Delta | SignOfLife | None:
        """Return what came since the last call; count it where that is nothing."""
        thinks, self._thinks = self._thinks, False
        text = "".join(self._texts)
        lives = thinks or bool(text)
        self._texts.clear()
        if self._seam is not None:
            text = self._seam.join(text, is_last=self.over)
        if lives or text:
            self._has_begun = True
            self._has_text = self._has_text or bool(text)
            return Delta(text) if text else SIGN_OF_LIFE
        if not self._has_begun:
            self._empty_events += events
            self._empty_bytes += size_bytes
            without_content = self._empty_bytes - self._buffer.pending_bytes
            if self._empty_events > MAX_EMPTY_EVENTS or without_content > MAX_EMPTY_BYTES:
                self._fail(ProviderError(ErrorKind.PROTOCOL, row="C08"))
        return None

    def _fail(self, error: ProviderError) -> None:
        self.over = True
        if self._has_begun or self._texts or self._thinks:
            error = replace(error, phase="stream")
        self._failure = self._failure or error

    def _finish_reason(self) -> FinishReason:
        if self._refuses:
            return FinishReason.REFUSAL
        reason = _REASONS.get(self._word, FinishReason.OTHER)
        if self._calls:
            return reason_with_calls(reason)
        is_ours = isinstance(self._stop, str) and self._stop in self._stops
        return FinishReason.STOP_SEQUENCE if is_ours and self._word == "stop" else reason


def _read(data: bytes) -> Chunk:
    """Return what an event's data hold, leniently read where need be."""
    try:
        return decode_chunk(data)
    except ProviderError:
        return read_leniently(data, Chunk)
