"""What a connection may say outside of an answer's body: nothing while idle, then one head.

aiohttp takes whatever came on a pooled connection for the answer to the next request (its issue
13656), and reads interim answers without end. So while no body is read, a protocol of ours stands
in front of aiohttp's. It steps aside where the answer's head ends and comes back when the
connection is free again: it is in the way of no token (ADR-036).
"""

import asyncio
import re
import select
from enum import Enum, auto
from typing import Self

from aiohttp import http_exceptions
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from typing_extensions import override

MAX_INTERIM = 16
"""Answers like `100 Continue` and `103 Early Hints` before the one that counts."""

MAX_EARLY_BYTES = 64 * 1024
"""What they may come to, blank lines in front of a head included."""

MAX_HEAD_BYTES = 64 * 1024
"""What the head of the answer that counts may come to, a little more than Envoy lets through by
default. aiohttp would take 128 lines of that; and so much is free for each answer (config/memory.py).
"""

_VERSION = b"HTTP/"
_STATUS_LINE = re.compile(rb"HTTP/\d\.\d (\d\d\d)")
_STATUS_LINE_BYTES = len("HTTP/1.1 200")
_BLANK_LINE = re.compile(rb"\n\r?\n")
_BLANK_LINE_BYTES = len("\n\r\n")
_SWITCHING = b"101"  # the last thing that such a server says as one of HTTP
_TLS_ALERT = b"\x15\x03"
"""How a server of TLS refuses what is none (RFC 8446, section 5.1)."""


class NoAnswerError(http_exceptions.BadHttpMessage):
    """What came is no answer of an HTTP server to what was asked."""


class SpeaksTlsError(NoAnswerError):
    """The server speaks TLS, and was spoken to without."""


class _Word(Enum):
    """What bytes in front of an answer are."""

    WAIT = auto()
    HEAD = auto()
    STRAY = auto()
    WRONG = auto()
    TLS = auto()


class HeadGuard(asyncio.Protocol):
    """Stands in front of one connection's protocol while no body is read from it."""

    def __init__(self, transport: asyncio.Transport, behind: ResponseHandler) -> None:
        """Stand in front of `behind`, whose connection is new.

        Args:
            transport: The connection.
            behind: What aiohttp reads it with.
        """
        self._transport = transport
        self._behind = behind
        self._is_idle = True
        self._has_served = False
        self._seen = b""
        self._interim = 0
        self._early_bytes = 0
        self._head_bytes = 0
        self._head_edge = b""
        self._arrivals = select.poll()
        self._arrivals.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        transport.set_protocol(self)

    @classmethod
    def of(cls, connection: Connection) -> Self:
        """Return who stands in front of a connection; a new one gets its guard here."""
        transport, behind = connection.transport, connection.protocol
        assert transport is not None  # noqa: S101  it was just got
        assert behind is not None  # noqa: S101  the same
        guard = transport.get_protocol()
        return guard if isinstance(guard, cls) else cls(transport, behind)

    @property
    def has_served(self) -> bool:
        """Whether the connection was used before."""
        return self._has_served

    @property
    def is_quiet(self) -> bool:
        """Whether nothing came that nobody asked for; not even to this machine's kernel.

        What a new connection's kernel holds may be TLS's own, of which a used one has read all.
        """
        return not self._behind.should_close and not (self._has_served and self._arrivals.poll(0))

    def expect(self) -> None:
        """Let one answer come."""
        self._is_idle, self._seen = False, b""
        self._interim = self._early_bytes = self._head_bytes = 0
        self._head_edge = b""

    def rest(self) -> None:
        """Let nothing come: the answer is over."""
        self._is_idle = self._has_served = True
        if not self._transport.is_closing():
            self._transport.set_protocol(self)

    @override
    def data_received(self, data: bytes) -> None:
        """Pass on what may belong to the answer that is waited for; else close the connection."""
        match self._word(data):
            case _Word.WAIT:
                self._behind.data_received(data)
            case _Word.HEAD:
                self._pass_on(data)
            case _Word.STRAY:
                self._transport.abort()
            case _Word.WRONG:
                self._refuse(NoAnswerError("no answer"))
            case _Word.TLS:
                self._refuse(SpeaksTlsError("TLS"))

    @override
    def eof_received(self) -> None:
        """Pass it on."""
        self._behind.eof_received()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on."""
        self._behind.connection_lost(exc)

    @override
    def pause_writing(self) -> None:
        """Pass it on."""
        self._behind.pause_writing()

    @override
    def resume_writing(self) -> None:
        """Pass it on."""
        self._behind.resume_writing()

    def _word(self, data: bytes) -> _Word:
        if self._is_idle:
            return _Word.STRAY
        return _Word.HEAD if self._head_bytes else self._look(data)

    def _pass_on(self, data: bytes) -> None:
        """Pass on the head by itself: garbage behind a whole answer would cost all of it."""
        edge = self._head_edge
        begins = 0 if self._head_bytes else max(0, len(data) - len(self._seen))
        self._seen = b""
        end = _BLANK_LINE.search(edge + data, begins)
        size = len(data) if end is None else end.end() - len(edge)
        self._head_bytes += size - begins
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(NoAnswerError("a head that is too long"))
            return
        if end is None:
            self._head_edge = (edge + data)[1 - _BLANK_LINE_BYTES :]
            self._behind.data_received(data)
            return
        self._transport.set_protocol(self._behind)
        self._behind.data_received(data[:size])
        if size < len(data) and not self._transport.is_closing():
            self._behind.data_received(data[size:])

    def _refuse(self, error: NoAnswerError) -> None:
        self._behind.set_exception(error)
        self._transport.abort()

    def _look(self, data: bytes) -> _Word:
        """Return what comes with `data`, which goes on where the last one ended."""
        self._seen = (self._seen + data).lstrip(b"\r\n")
        while (line := _STATUS_LINE.match(self._seen)) is not None:
            status = line[1]
            if not status.startswith(b"1") or status == _SWITCHING:
                return _Word.HEAD
            end = _BLANK_LINE.search(self._seen, line.end())
            if end is None:
                return self._wait(data)
            self._interim += 1
            if self._interim > MAX_INTERIM:
                return _Word.WRONG
            self._seen = self._seen[end.end() :].lstrip(b"\r\n")
        return self._without_status(data)

    def _without_status(self, data: bytes) -> _Word:
        """Return what it is that is no status line yet."""
        is_short = len(self._seen) < _STATUS_LINE_BYTES
        if is_short and _VERSION.startswith(self._seen[: len(_VERSION)]):
            return self._wait(data)
        if self._has_served:
            return _Word.STRAY  # left over from the answer before: this one has not begun
        return _Word.TLS if self._seen.startswith(_TLS_ALERT) else _Word.WRONG

    def _wait(self, data: bytes) -> _Word:
        """Wait for more of what has no end yet, within bounds."""
        self._early_bytes += len(data)
        return _Word.WRONG if self._early_bytes > MAX_EARLY_BYTES else _Word.WAIT
