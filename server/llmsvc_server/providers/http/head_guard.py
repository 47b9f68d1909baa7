"""What a connection may say outside of an answer's body: nothing while idle, then one head.

aiohttp takes whatever came on a pooled connection for the answer to the next request (its issue
13656), and reads interim answers without end. So while no body is read, a guard of ours stands in
front of the connection's parser. It steps aside where the answer's head ends and comes back when the
connection is free again: it is in the way of no token (ADR-036, ADR-057).
"""

import asyncio
import re
from enum import Enum, auto
from typing import Any, Protocol, TypeAlias

from aiohttp import http_exceptions
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpParser

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
_FINAL_STATUS = re.compile(rb"HTTP/\d\.\d [02-9]\d\d")
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


_NO_MESSAGES: tuple[()] = ()

Reader: TypeAlias = HttpParser[Any] | ResponseHandler
"""What reads answers of a connection: aiohttp's parser, or its whole protocol."""


class Guarded(Protocol):
    """A connection with a guard in front of what reads it."""

    @property
    def transport(self) -> asyncio.Transport | None:
        """The connection; None once it is lost."""
        ...

    @property
    def has_served(self) -> bool:
        """Whether the connection was used before."""
        ...

    @property
    def upgraded(self) -> bool:
        """Whether it speaks another protocol than HTTP by now."""
        ...

    def pass_on(self, reader: Reader, data: bytes) -> None:
        """Have `reader` take what comes before the end of a head."""
        ...

    def step_aside(self, reader: Reader, head: bytes, rest: bytes) -> None:
        """Have `reader` take all that comes, the end of a head by itself.

        Garbage behind a whole answer would cost all of it.
        """
        ...

    def set_exception(self, exc: BaseException) -> None:
        """Tell who waits for the answer."""
        ...

    def force_close(self) -> None:
        """Give the connection to nobody again."""
        ...


class HeadGuard:
    """Is asked in a parser's place, and hands on what may belong to the answer that is waited for."""

    __slots__ = (
        "_early_bytes",
        "_handler",
        "_head_bytes",
        "_head_edge",
        "_interim",
        "_reader",
        "_seen",
    )

    def __init__(self, handler: Guarded, reader: Reader | None) -> None:
        """Let one answer come to who reads it; nothing if that is None."""
        self._handler = handler
        self._reader = reader
        self._seen = b""
        self._interim = 0
        self._early_bytes = 0
        self._head_bytes = 0
        self._head_edge = b""

    def feed_data(self, data: bytes) -> tuple[tuple[()], bool, bytes]:
        """Take what came, and say no more of it than that it was taken; see aiohttp's parser."""
        reader = self._reader
        if reader is None:
            self._abort()
        elif (
            not (self._early_bytes or self._head_bytes)
            and _FINAL_STATUS.match(data)
            and (end := _BLANK_LINE.search(data))
            and end.end() <= MAX_HEAD_BYTES
        ):  # the usual answer: its whole head, and maybe more
            self._handler.step_aside(reader, data[: end.end()], data[end.end() :])
        else:
            self._take(reader, data)
        return _NO_MESSAGES, self._handler.upgraded, b""

    def feed_eof(self) -> object:
        """Return what the reader has of an answer whose connection is lost."""
        return None if self._reader is None else self._reader.feed_eof()

    def pause_reading(self) -> None:
        """Do nothing: what is read ahead is behind the end of an answer, and nobody's."""

    def _take(self, reader: Reader, data: bytes) -> None:
        match _Word.HEAD if self._head_bytes else self._look(data):
            case _Word.HEAD:
                self._take_head(reader, data)
            case _Word.WAIT:
                self._handler.pass_on(reader, data)
            case _Word.STRAY:
                self._abort()
            case _Word.WRONG:
                self._refuse(NoAnswerError("no answer"))
            case _Word.TLS:
                self._refuse(SpeaksTlsError("TLS"))

    def _take_head(self, reader: Reader, data: bytes) -> None:
        """Hand on the head of the answer that counts, and no more than it may have."""
        edge = self._head_edge
        begins = 0 if self._head_bytes else max(0, len(data) - len(self._seen))
        self._seen = b""
        end = _BLANK_LINE.search(edge + data, begins)
        size = len(data) if end is None else end.end() - len(edge)
        self._head_bytes += size - begins
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(NoAnswerError("a head that is too long"))
        elif end is None:
            self._head_edge = (edge + data)[1 - _BLANK_LINE_BYTES :]
            self._handler.pass_on(reader, data)
        else:
            self._handler.step_aside(reader, data[:size], data[size:])

    def _refuse(self, error: NoAnswerError) -> None:
        self._handler.set_exception(error)
        self._abort()

    def _abort(self) -> None:
        self._handler.force_close()  # Nobody is given it while its end is still to be told.
        if self._handler.transport is not None:
            self._handler.transport.abort()

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
        if self._handler.has_served:
            return _Word.STRAY  # left over from the answer before: this one has not begun
        return _Word.TLS if self._seen.startswith(_TLS_ALERT) else _Word.WRONG

    def _wait(self, data: bytes) -> _Word:
        """Wait for more of what has no end yet, within bounds."""
        self._early_bytes += len(data)
        return _Word.WRONG if self._early_bytes > MAX_EARLY_BYTES else _Word.WAIT
