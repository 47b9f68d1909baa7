"""A POST over aiohttp's connections and parser, without its session, requests and responses.

Dialling, TLS, the pool and parsing stay aiohttp's. What a session does besides is for redirects,
cookies, proxies and decompression, of which a chat has none, and is half of the price (ADR-044).
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from typing import TypedDict

import aiohttp
from aiohttp import hdrs
from aiohttp.connector import Connection
from aiohttp.http import RawResponseMessage
from aiohttp.streams import StreamReader
from aiohttp.tracing import Trace
from multidict import CIMultiDictProxy
from yarl import URL

TESTED_AIOHTTP = frozenset({"3.14.5"})
"""Versions whose inner parts `tests/integration/test_aiohttp_parts.py` was run with. Any other one
is used by its session alone, which is public."""

_SWITCHING = 101
_FIRST_FINAL = 200
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""Characters by which a value would become more than a line of a head (RFC 9110, section 5.5)."""

_NO_TRACES: list[Trace] = []


class Parsing(TypedDict):
    """How answers are parsed, in the words that sessions and parsers of aiohttp have in common."""

    auto_decompress: bool
    read_bufsize: int
    max_line_size: int
    max_field_size: int


@cache
def reason_for_sessions() -> str:
    """Return why requests go by aiohttp's session; empty where they need not."""
    try:
        version = metadata.version("aiohttp")
    except metadata.PackageNotFoundError:
        version = "of an unknown version"
    if version in TESTED_AIOHTTP:
        return ""
    tested = ", ".join(sorted(TESTED_AIOHTTP))
    return f"aiohttp {version}, where {tested} is tested: a chat costs some 50 us more"


class DirectResponse:
    """One response whose body is still to be read, with what an `aiohttp.ClientResponse` has.

    Attributes:
        status: HTTP status.
        headers: Names in any case.
        content: The body; not decompressed.
        connection: None once the body has come, or nobody wants more of it.
    """

    __slots__ = ("connection", "content", "headers", "status")

    def __init__(
        self, connection: Connection, message: RawResponseMessage, content: StreamReader
    ) -> None:
        """Hold `connection` until the body's end."""
        self.connection: Connection | None = connection
        self.status: int = message.code
        self.headers: CIMultiDictProxy[str] = message.headers
        self.content = content
        content.on_eof(self._give_back)

    def close(self) -> None:
        """Close the connection, unless it serves others again."""
        if self.connection is not None:
            self.content.set_exception(aiohttp.ClientConnectionError("closed"))
            self.connection.close()
            self.connection = None

    def _give_back(self) -> None:
        """Let the connection serve others, if the request has left it too."""
        connection, self.connection = self.connection, None
        if connection is None:
            return
        transport = connection.transport
        if transport is not None and transport.get_write_buffer_size():
            connection.close()
        else:
            connection.release()


class DirectPost:
    """POSTs to one URL. Its head is written once."""

    def __init__(
        self,
        url: URL,
        headers: Mapping[str, str],
        *,
        connector: aiohttp.BaseConnector,
        timeout: aiohttp.ClientTimeout,
        parsing: Parsing,
    ) -> None:
        """Send nothing yet.

        Args:
            url: Where to.
            headers: All but `Host` and `Content-Length`.
            connector: Has the connections.
            timeout: Of which the limits on connecting count.
            parsing: How answers are parsed.

        Raises:
            ValueError: A header's value has a character that no head may have.
        """
        self._connector = connector
        self._timeout = timeout
        self._parsing = parsing
        self._request = aiohttp.ClientRequest(hdrs.METH_POST, url, headers=headers)
        self._head = _head(self._request)

    async def send(self, body: bytes) -> DirectResponse:
        """Send a body and return the response once its head has come; cancelled, close.

        Raises:
            aiohttp.ClientError: No response; as a session says it.
            aiohttp.http_exceptions.HttpProcessingError: What came is none.
        """
        try:
            connection = await self._connector.connect(self._request, _NO_TRACES, self._timeout)
        except TimeoutError:
            raise aiohttp.ConnectionTimeoutError from None
        try:
            protocol, transport = connection.protocol, connection.transport
            assert protocol is not None  # noqa: S101  it was just got
            assert transport is not None  # noqa: S101  the same
            protocol.set_response_params(read_until_eof=True, **self._parsing)
            transport.writelines((b"%b%d\r\n\r\n" % (self._head, len(body)), body))
            message, content = await protocol.read()
            while message.code < _FIRST_FINAL and message.code != _SWITCHING:
                message, content = await protocol.read()
        except BaseException:
            connection.close()
            raise
        return DirectResponse(connection, message, content)


def _head(request: aiohttp.ClientRequest) -> bytes:
    """Return the head of a POST as far as its length."""
    request.headers.popall(hdrs.CONTENT_LENGTH, None)
    lines = [f"POST {request.url.raw_path_qs} HTTP/1.1"]
    lines += (f"{name}: {value}" for name, value in request.headers.items())
    if any(map(_FORBIDDEN.search, lines)):
        raise ValueError("a header has a character that would end its line")
    return "\r\n".join([*lines, f"{hdrs.CONTENT_LENGTH}: "]).encode()
