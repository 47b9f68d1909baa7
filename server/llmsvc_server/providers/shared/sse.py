"""Bytes as they arrive -> server-sent events. Pure and bounded; knows nothing of what one says.

Source: the HTML standard, section 9.2.6 "Interpreting an event stream".
"""

from typing import NamedTuple

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.unfinished import SMALL_BYTES, Tails
from llmsvc_server.providers.shared.lines import BOM, MAX_LINE_BYTES, LineBuffer

MAX_EVENT_BYTES = MAX_LINE_BYTES
MAX_DATA_LINES = 50_000
"""In one event. Each takes more room than its bytes."""

_LINE_BYTES = 64
"""About what each takes besides."""

_NAME_BYTES = 256
"""How much is kept of an event's name."""

_FEW_LINES = 512
"""What an event may have before it is told what it takes."""

_END = b"[DONE]"


class ServerEvent(NamedTuple):
    """One event: its name, empty if it has none, and its data lines joined by newlines."""

    name: bytes
    data: bytes

    @property
    def says_nothing(self) -> bool:
        """Whether its data are blank, or null."""
        return self.data.strip() in {b"", b"null"}

    @property
    def is_end(self) -> bool:
        """Whether its data are `[DONE]`, in any case and whatever stands behind it."""
        return self.data.lstrip()[: len(_END)].upper() == _END


class EventBuffer:
    """Keeps the unfinished event between two reads. Lines may end in CR, LF or both."""

    __slots__ = (
        "_data",
        "_data_bytes",
        "_ended_in_cr",
        "_few_bytes",
        "_is_counted",
        "_lines",
        "_max_bytes",
        "_name",
        "_started",
        "_tails",
    )

    def __init__(self, tails: Tails, max_bytes: int = MAX_EVENT_BYTES) -> None:
        """Be empty, and count in `tails`; no event may have more than `max_bytes` of data."""
        self._tails = tails
        self._max_bytes = max_bytes
        self._few_bytes = min(SMALL_BYTES, max_bytes)
        self._is_counted = False
        self._lines = LineBuffer(tails, max_bytes)
        self._name = b""
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._ended_in_cr = False
        self._started = False

    @property
    def pending_bytes(self) -> int:
        """How much of an unfinished event is kept, at most."""
        return self._data_bytes + self._lines.pending_bytes

    def feed(self, data: bytes) -> list[ServerEvent]:
        """Return the events that `data` completes.

        Args:
            data: Bytes in the order of their arrival, cut anywhere.

        Raises:
            ProviderError: PROTOCOL. An event is too long.
            ProviderError: EXHAUSTED. Too much is unfinished.
        """
        if b"\r" in data or self._ended_in_cr:
            data = self._with_plain_ends(data)
        # The usual read ends with its line.
        is_usual = self._lines.tail is None and data[-1:] == b"\n" and len(data) <= self._few_bytes
        block = data if is_usual else self._lines.feed(data)
        return self._events(block[:-1].split(b"\n")) if block else []

    def rest(self) -> list[ServerEvent]:
        """Return the last event, which came without the blank line that ends one; maybe cut."""
        return self._events([self._lines.rest(), b""])

    def _with_plain_ends(self, data: bytes) -> bytes:
        if not data:
            return data
        half_ended, self._ended_in_cr = self._ended_in_cr, data.endswith(b"\r")
        if half_ended:
            data = data.removeprefix(b"\n")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _events(self, lines: list[bytes]) -> list[ServerEvent]:
        if not self._started:
            self._started = True
            lines[0] = lines[0].removeprefix(BOM)
        events: list[ServerEvent] = []
        for line in lines:
            if not line:
                if self._data:
                    events.append(ServerEvent(self._name, b"\n".join(self._data)))
                    if self._is_counted:
                        self._let_go()
                self._name, self._data, self._data_bytes = b"", [], 0
                continue
            field, _, value = line.partition(b":")
            if field == b"data":
                self._add(value.removeprefix(b" "))
            elif field == b"event":
                self._name = value[:_NAME_BYTES].removeprefix(b" ")
        return events

    def _add(self, data: bytes) -> None:
        self._data_bytes += len(data) + 1  # its newline: even empty lines have no place for ever
        if self._data_bytes > self._few_bytes or len(self._data) >= _FEW_LINES:
            self._count()
        self._data.append(data)

    def _count(self) -> None:
        if self._data_bytes > self._max_bytes or len(self._data) >= MAX_DATA_LINES:
            raise ProviderError(ErrorKind.PROTOCOL, row="C08", phase="stream")
        self._is_counted = True
        self._tails.keep(self, self._data_bytes + len(self._data) * _LINE_BYTES)

    def _let_go(self) -> None:
        self._is_counted = False
        self._tails.keep(self, 0)
