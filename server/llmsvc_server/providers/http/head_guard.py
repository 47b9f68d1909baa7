"""What a connection may say outside of an answer's body: nothing while idle, then one head.

aiohttp takes whatever came on a pooled connection for the answer to the next request (its issue
13656), and reads interim answers without end. So while no body is read, a guard of ours stands in
front of the connection's parser. It steps aside where the answer's head ends and comes back when the
connection is free again: it is in the way of no token (ADR-036, ADR-057).
"""

import asyncio
import re
import select
from collections import deque
from enum import Enum, auto
from typing import Any, TypeAlias, cast

from aiohttp import http_exceptions
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpParser, HttpResponseParser
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
_Parser: TypeAlias = HttpParser[Any]


class _Heads(list[object]):
    """A queue of one head or two, for aiohttp, in a tenth of the room that the smallest deque takes."""

    def popleft(self) -> object:
        """Take the first one out."""
        return self.pop(0)


class GuardedHandler(ResponseHandler):
    """aiohttp's protocol of one connection, with a guard in front of its parser.

    Attributes:
        has_served: Whether the connection was used before.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, arrivals: select.poll) -> None:
        """Let nothing come, and ask by `arrivals` whether something did."""
        super().__init__(loop)
        self._buffer = cast("deque[Any]", _Heads())
        self.has_served = False
        self._arrivals = arrivals

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._fd = transport.get_extra_info("socket").fileno()
        # No sooner: what takes the two apart again is the loss of a connection that was made.
        self._parser = cast("HttpResponseParser", _HeadGuard(self, None))

    def is_quiet(self) -> bool:
        """Return whether nothing came that nobody asked for; not even to this machine's kernel.

        What a new connection's kernel holds may be TLS's own, of which a used one has read all.
        """
        if self.should_close:
            return False
        if not self.has_served:
            return True
        self._arrivals.register(self._fd, select.POLLIN)
        has_come = self._arrivals.poll(0)
        self._arrivals.unregister(self._fd)
        return not has_come

    @override
    def set_response_params(self, **params: Any) -> None:
        """Let one answer come; see aiohttp's."""
        super().set_response_params(**params)
        self._parser = cast("HttpResponseParser", _HeadGuard(self, self._parser))

    @override
    def resume_reading(self, resume_parser: bool = True) -> None:
        # aiohttp asks for each piece that is read, and then has its parser go on with nothing.
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def rest(self) -> None:
        """Let nothing come: the answer is over."""
        self.has_served = True
        if (
            self.transport is not None
        ):  # else aiohttp has taken it apart, and no cycle is to be left
            self._parser = cast("HttpResponseParser", _HeadGuard(self, None))

    def pass_on(self, parser: _Parser, data: bytes) -> None:
        """Have `parser` take what comes before the end of a head."""
        guard, self._parser = self._parser, parser
        self.data_received(data)
        self._parser = guard

    def step_aside(self, parser: _Parser, head: bytes, rest: bytes) -> None:
        """Have `parser` take all that comes, the end of a head by itself.

        Garbage behind a whole answer would cost all of it.
        """
        self._parser = parser
        self.data_received(head)
        if rest and self.transport is not None and not self.transport.is_closing():
            self.data_received(rest)


class _HeadGuard:
    """Is asked in a parser's place, and hands on what may belong to the answer that is waited for."""

    __slots__ = (
        "_early_bytes",
        "_handler",
        "_head_bytes",
        "_head_edge",
        "_interim",
        "_parser",
        "_seen",
    )

    def __init__(self, handler: GuardedHandler, parser: _Parser | None) -> None:
        """Let one answer come to a handler's parser; nothing if that is None."""
        self._handler = handler
        self._parser = parser
        self._seen = b""
        self._interim = 0
        self._early_bytes = 0
        self._head_bytes = 0
        self._head_edge = b""

    def feed_data(self, data: bytes) -> tuple[tuple[()], bool, bytes]:
        """Take what came, and say no more of it than that it was taken; see aiohttp's parser."""
        parser = self._parser
        if parser is None:
            self._abort()
        elif (
            not (self._early_bytes or self._head_bytes)
            and _FINAL_STATUS.match(data)
            and (end := _BLANK_LINE.search(data))
            and end.end() <= MAX_HEAD_BYTES
        ):  # the usual answer: its whole head, and maybe more
            self._handler.step_aside(parser, data[: end.end()], data[end.end() :])
        else:
            self._take(parser, data)
        return _NO_MESSAGES, self._handler.upgraded, b""

    def feed_eof(self) -> object:
        """Return what the parser has of an answer whose connection is lost."""
        return None if self._parser is None else self._parser.feed_eof()

    def pause_reading(self) -> None:
        """Do nothing: what is read ahead is behind the end of an answer, and nobody's."""

    def _take(self, parser: _Parser, data: bytes) -> None:
        match _Word.HEAD if self._head_bytes else self._look(data):
            case _Word.HEAD:
                self._take_head(parser, data)
            case _Word.WAIT:
                self._handler.pass_on(parser, data)
            case _Word.STRAY:
                self._abort()
            case _Word.WRONG:
                self._refuse(NoAnswerError("no answer"))
            case _Word.TLS:
                self._refuse(SpeaksTlsError("TLS"))

    def _take_head(self, parser: _Parser, data: bytes) -> None:
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
            self._handler.pass_on(parser, data)
        else:
            self._handler.step_aside(parser, data[:size], data[size:])

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
