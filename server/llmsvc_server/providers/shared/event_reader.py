"""What adapters do to read an answer that comes as server-sent events, or as one JSON body."""

import re
from abc import abstractmethod
from collections.abc import Mapping

from typing_extensions import override

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.unfinished import Tails
from llmsvc_server.providers.shared.answer_reader import AnswerReader, Progress
from llmsvc_server.providers.shared.sse import EventBuffer, ServerEvent
from llmsvc_server.providers.shared.tool_calls import ToolCalls

STREAM = "text/event-stream"
_WHOLE = "application/json"

_PLAIN_WORD = re.compile(r"[a-z0-9_.-]{1,64}")
_PLAIN_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class EventReader(AnswerReader):
    """Reads one answer. An adapter says what an event adds, and what a whole body does."""

    __slots__ = ("_buffer", "_id", "_read_bytes")

    def __init__(self, tails: Tails, calls: ToolCalls | None = None) -> None:
        """Have read nothing; see `AnswerReader`."""
        super().__init__(tails, calls)
        self._buffer = EventBuffer(tails)
        self._id = ""
        self._read_bytes = 0

    def expect_whole(self) -> None:
        """Be ready for one JSON body instead of a stream: an answer or an error."""
        self._gather(b"")

    def identify(self, answer_id: object) -> None:
        """Take a name that the provider gave the answer; the last one counts."""
        if answer_id != self._id and isinstance(answer_id, str) and _PLAIN_ID.fullmatch(answer_id):
            self._id = answer_id

    @override
    def begin(self, content_type: str, headers: Mapping[str, str]) -> None:
        if content_type == _WHOLE:
            self.expect_whole()
        elif content_type != STREAM:
            raise ProviderError(ErrorKind.PROTOCOL, row="C08", status=200)

    @override
    def take(self, data: bytes) -> Progress:
        if self._whole is not None:
            return self._take_whole(data)
        events: list[ServerEvent] = []
        try:
            events = self._buffer.feed(data) if data else self._last_events()
            for event in events:
                self._add_event(event)
                if self.over:
                    break
            if self.over or not data:
                self._finish()
        except ProviderError as error:
            if error.kind is not ErrorKind.PROTOCOL:
                raise
            self._fail(error)
        self.over = self.over or not data
        return self._collect(len(events), len(data))

    @abstractmethod
    def _add_event(self, event: ServerEvent) -> None:
        """Take an event.

        Raises:
            ProviderError: PROTOCOL. It can't be read.
        """

    @abstractmethod
    def _add_whole(self, body: bytes) -> None:
        """Take a whole body; raises as `_add_event`."""

    def _finish(self) -> None:
        """Take the end of the body, or the marker of one; raises as `_add_event`."""

    @abstractmethod
    def _can_read(self, data: bytes) -> bool:
        """Return whether an event's data are whole."""

    @property
    def _plain_word(self) -> str:
        """The reason of the end as it may be passed on: it can be nothing but a word."""
        return self._word if _PLAIN_WORD.fullmatch(self._word) else "other"

    def _take_whole(self, data: bytes) -> Progress:
        self._gather(data)
        if not data and self._whole is not None:
            self.over = True
            try:
                self._add_whole(self._whole.whole())
                self._finish()
            except ProviderError as error:
                self._fail(error)
        return self._collect(0, 0)

    def _last_events(self) -> list[ServerEvent]:
        """Return the event that came without a blank line, unless it was cut in the middle.

        Then it says no more than the end of the body does.
        """
        whole: list[ServerEvent] = []
        for event in self._buffer.rest():
            if event.is_end or event.says_nothing or self._can_read(event.data):
                whole.append(event)
            elif not self.ending.excuses(event.data):
                self.ending.take_back()
        return whole

    @override
    def _count_empty(self, pieces: int, size_bytes: int) -> None:
        # Without the event that still arrives: the first one with content may be long.
        self._read_bytes += size_bytes
        finished_bytes = self._read_bytes - self._buffer.pending_bytes
        super()._count_empty(pieces, finished_bytes - self._empty_bytes)
