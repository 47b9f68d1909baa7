"""One HTTP response, read piece by piece. Its faults become errors of ours here, and nowhere else."""

import asyncio

import aiohttp
from aiohttp import hdrs, http_exceptions
from multidict import CIMultiDictProxy

from llmsvc_server.chat.deadline import Turn
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.direct_post import DirectResponse
from llmsvc_server.providers.http.unfinished import Tail, Tails

FAULTS = (
    aiohttp.ClientError,
    http_exceptions.HttpProcessingError,  # of the pure-Python parser, and no ClientError
    OSError,  # TimeoutError is one
)
"""What aiohttp raises where the upstream, or the way to it, is at fault."""

SLICE_BYTES = 8 * 1024
"""Most that is read at once. Of the cheapest lines, so much takes 5 ms to understand, and 15 where
each has to be read leniently."""

MUCH_BYTES = 2 * 1024
"""As much is no token: more may lie ready, and read on at once it would keep everybody waiting."""

# Reading on after the parser gave up is a RuntimeError: it closes the connection, and no more.
BODY_FAULTS = (*FAULTS, RuntimeError)


class UpstreamResponse:
    """One response whose body is still to be read.

    Attributes:
        status: HTTP status.
        headers: Names in any case.
        requests: How many requests it took, one that was lost or refused before included.
        readany: aiohttp's own `read`, for who has no time for a coroutine of ours: raises one of
            `BODY_FAULTS`, of which `lost` makes an error, and leaves it to the caller to `share`.
        rest: What was read, and is the next that `read` returns.
    """

    __slots__ = ("_response", "headers", "readany", "requests", "rest", "status")

    def __init__(self, response: aiohttp.ClientResponse | DirectResponse) -> None:
        """Take over `response`; whoever holds the answer closes or releases it."""
        self._response = response
        self.readany = response.content.readany
        self.rest = b""
        self.status = response.status
        self.requests = 1
        self.headers: CIMultiDictProxy[str] = response.headers

    @property
    def content_type(self) -> str:
        """Type and subtype in lower case; empty if there is none."""
        return self.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip().lower()

    def ends(self, turn: Turn | None) -> None:
        """End `turn`, if there is one, once the whole body has arrived, read or not."""
        if turn is not None:
            self._response.content.on_eof(turn.over)

    def lost(self) -> ProviderError:
        """Return what it means that the connection was lost before the body's end."""
        return ProviderError(ErrorKind.TRANSIENT, row="C07", status=self.status)

    async def read(self) -> bytes:
        """Return what has arrived, waiting for something if need be; empty at the end.

        Of much, the others' turns come before each `SLICE_BYTES`.

        Raises:
            ProviderError: TRANSIENT. The connection was lost before the body's end.
        """
        data, self.rest = self.rest, b""
        try:
            data = data or await self.readany()
        except BODY_FAULTS:
            raise self.lost() from None
        return data if len(data) < MUCH_BYTES else await self.share(data)

    async def share(self, data: bytes) -> bytes:
        """Return the first `SLICE_BYTES` of what was read, after the others' turns."""
        await asyncio.sleep(0)
        self.rest = data[SLICE_BYTES:]
        return data[:SLICE_BYTES]

    async def read_all(self, max_bytes: int, tails: Tails) -> bytes:
        """Return the whole body, which stays counted in `tails`.

        Raises:
            ProviderError: TRANSIENT. The connection was lost before the body's end.
            ProviderError: PROTOCOL. The body is longer than `max_bytes`.
            ProviderError: EXHAUSTED. Too much is unfinished, here and elsewhere.
        """
        body = Tail(tails)
        while data := await self.read():
            body.add(data)
            if body.size_bytes > max_bytes:
                raise ProviderError(ErrorKind.PROTOCOL, row="C08", status=self.status)
        return body.whole()

    async def read_some(self, max_bytes: int) -> bytes:
        """Return the body, cut where it breaks off and after `max_bytes`."""
        body = bytearray()
        try:
            while len(body) < max_bytes and (data := await self.read()):
                body += data
        except ProviderError:
            pass  # What came says more than that no more came.
        return bytes(body[:max_bytes])

    def close(self) -> None:
        """Close the connection, unless the whole body has come and it serves others again."""
        connection = self._response.connection
        transport = connection.transport if connection is not None else None
        self._response.close()
        if transport is not None and transport.get_write_buffer_size():
            transport.abort()  # A plain close waits for an upstream that does not read.

    async def release(self, within_s: float) -> None:
        """Read the body's end so that the connection serves others; close it if none comes.

        Args:
            within_s: How long to wait for the end; 0 for not at all.
        """
        if self._response.connection is None:
            return  # All has come.
        try:
            if within_s:
                async with asyncio.timeout(within_s):
                    while await self.read():
                        pass
        except (TimeoutError, ProviderError):
            pass  # The answer is complete. What is lost is a connection.
        finally:
            self.close()
