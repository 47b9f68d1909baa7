"""A bare HTTP/2 connection, for what no gRPC library does to a server."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEAD = struct.Struct(">BHBBI")  # length in two parts, type, flags, stream
_ACK, _END_STREAM, _END_HEADERS = 0x1, 0x1, 0x4
_CANCEL = 8


class Kind(IntEnum):
    """Types of frames (RFC 9113, section 6)."""

    DATA = 0
    HEADERS = 1
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame from the server."""

    kind: int
    stream: int
    is_ack: bool
    payload: bytes


class Http2Connection:
    """Sends frames as it is told, and acknowledges what a client has to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take over a connection on which the preface was sent."""
        self._reader, self._writer = reader, writer
        self._next_stream = 1

    def ping(self) -> None:
        """Send a ping."""
        self._send(Kind.PING, 0, 0, bytes(8))

    def call(self, method: str, request: bytes) -> int:
        """Begin a gRPC call with its only message; return its stream."""
        stream = self.begin(method)
        self._send(Kind.DATA, _END_STREAM, stream, struct.pack(">BI", 0, len(request)) + request)
        return stream

    def begin(self, method: str) -> int:
        """Begin a gRPC call; return its stream."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        self._send(Kind.HEADERS, _END_HEADERS, stream, _headers(method))
        return stream

    def data(self, stream: int, payload: bytes) -> None:
        """Send a piece of a message; windows are the sender's business."""
        self._send(Kind.DATA, 0, stream, payload)

    def end(self, stream: int, payload: bytes = b"") -> None:
        """Send the last piece, and that nothing follows."""
        self._send(Kind.DATA, _END_STREAM, stream, payload)

    def take(self, stream: int, size_bytes: int) -> None:
        """Make room for so much more of a stream, whose data nobody takes before."""
        for window in (0, stream):
            self._send(Kind.WINDOW_UPDATE, 0, window, struct.pack(">I", size_bytes))

    def reset(self, stream: int) -> None:
        """Reset a stream."""
        self._send(Kind.RST_STREAM, 0, stream, struct.pack(">I", _CANCEL))

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()

    async def ping_steadily(self, *, every_s: float, times: int) -> int:
        """Send so many pings; return how many were answered before the server left."""
        answered = 0
        self.ping()
        async for frame in self.frames():
            if frame.kind != Kind.PING or not frame.is_ack:
                continue
            answered += 1
            if answered == times:
                break
            await asyncio.sleep(every_s)
            self.ping()
        return answered

    async def drain(self) -> None:
        """Wait until the server takes more.

        Raises:
            ConnectionError: It closed the connection.
        """
        await self._writer.drain()

    async def frames(self) -> AsyncIterator[Frame]:
        """Yield what the server sends until it closes the connection."""
        try:
            while True:
                yield await self._frame()
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    async def _frame(self) -> Frame:
        high, low, kind, flags, stream = _HEAD.unpack(await self._reader.readexactly(_HEAD.size))
        payload = await self._reader.readexactly(high << 16 | low)
        is_ack = kind in {Kind.SETTINGS, Kind.PING} and bool(flags & _ACK)
        if kind in {Kind.SETTINGS, Kind.PING} and not is_ack:
            self._send(Kind(kind), _ACK, 0, payload if kind == Kind.PING else b"")
        return Frame(kind, stream, is_ack, payload)

    def _send(self, kind: Kind, flags: int, stream: int, payload: bytes) -> None:
        size = len(payload)
        self._writer.write(_HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream) + payload)


@asynccontextmanager
async def http2_connection(address: str) -> AsyncIterator[Http2Connection]:
    """Connect to "host:port"."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(_PREFACE + _HEAD.pack(0, 0, Kind.SETTINGS, 0, 0))
    try:
        yield Http2Connection(reader, writer)
    finally:
        writer.close()


def _headers(method: str) -> bytes:
    """Return a header block of literals (RFC 7541, 6.2.2), no text longer than 126."""
    block = b"\x83\x86"  # :method POST, :scheme http
    for name, value in (
        (":path", method),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ):
        block += b"\x00"
        for text in (name, value):
            block += bytes([len(text)]) + text.encode()
    return block
