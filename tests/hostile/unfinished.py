"""Calls whose requests come but for their last byte, as fast as the server takes them."""

import asyncio
import re
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.fakes.http2_connection import Frame, Http2Connection, Kind, http2_connection

FIRST_WINDOW_BYTES = 65_535
FRAME_BYTES = 16_384
_STATUS = re.compile(rb"grpc-status.(\d+)", re.DOTALL)


class Unfinished:
    """Such calls on one connection.

    Attributes:
        sent_bytes: What the server took of them all.
        codes: The gRPC codes of those that it ended.
    """

    def __init__(self, connection: Http2Connection) -> None:
        """Have none."""
        self.sent_bytes = 0
        self.codes: list[int] = []
        self._connection = connection
        self._window_bytes = FIRST_WINDOW_BYTES
        self._windows_bytes: dict[int, int] = {}
        self._rest_bytes: dict[int, int] = {}

    def begin(self, method: str, size_bytes: int) -> None:
        """Begin a call whose request is that large, and keep back its last byte."""
        stream = self._connection.begin(method)
        head = struct.pack(">BI", 0, size_bytes)
        self._connection.data(stream, head)
        self._window_bytes -= len(head)
        self._windows_bytes[stream] = FIRST_WINDOW_BYTES - len(head)
        self._rest_bytes[stream] = size_bytes - 1

    async def go_on(self) -> None:
        """Send what the windows allow until the connection ends."""
        self._send()
        async for frame in self._connection.frames():
            self._take(frame)
            self._send()

    def _take(self, frame: Frame) -> None:
        if frame.kind == Kind.WINDOW_UPDATE:
            more_bytes = int.from_bytes(frame.payload, "big")
            if frame.stream == 0:
                self._window_bytes += more_bytes
            elif frame.stream in self._windows_bytes:
                self._windows_bytes[frame.stream] += more_bytes
        elif frame.kind == Kind.HEADERS and (status := _STATUS.search(frame.payload)):
            self.codes.append(int(status[1]))
            self._rest_bytes.pop(frame.stream, None)

    def _send(self) -> None:
        for stream, rest_bytes in self._rest_bytes.items():
            size = min(rest_bytes, self._window_bytes, self._windows_bytes[stream], FRAME_BYTES)
            if size > 0:
                self._connection.data(stream, bytes(size))
                self._window_bytes -= size
                self._windows_bytes[stream] -= size
                self._rest_bytes[stream] -= size
                self.sent_bytes += size


@asynccontextmanager
async def unfinished(
    address: str, method: str, *, calls: int, size_bytes: int
) -> AsyncIterator[Unfinished]:
    """Have `calls` of them on a connection of their own while the block runs."""
    async with http2_connection(address) as connection, asyncio.TaskGroup() as group:
        bodies = Unfinished(connection)
        for _ in range(calls):
            bodies.begin(method, size_bytes)
        sending = group.create_task(bodies.go_on())
        try:
            yield bodies
        finally:
            sending.cancel()
