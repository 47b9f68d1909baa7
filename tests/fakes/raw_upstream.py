"""An upstream of raw bytes: what it says, when and how often is the test's alone."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.fakes.eventually import eventually


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: its path, and how many its connection had before it.

    Attributes:
        head: Its lines, as they came.
        body: Its bytes.
    """

    path: str
    earlier: int
    head: tuple[str, ...]
    body: bytes


Say = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]
"""Answers one request, with whatever bytes. The connection is the client's to close."""


class RawUpstream:
    """`async with RawUpstream(say) as upstream:` listens on `upstream.base_url`.

    Attributes:
        asked: Every request, in order of arrival.
        accepted: How many connections came in all.
        open_connections: How many of them the client has not closed.
    """

    def __init__(
        self, say: Say, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        """Answer by `say` on an address of this machine; over TLS, if it is to be."""
        self.asked: list[Asked] = []
        self.accepted = 0
        self.open_connections = 0
        self.port = 0
        self._say = say
        self._tls = tls
        self._host = host
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        self._listener = await asyncio.start_server(self._serve, self._host, 0, ssl=self._tls)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close everything."""
        assert self._listener is not None
        self._listener.close()
        for writer in self._writers:
            writer.transport.abort()
        await eventually(lambda: self.open_connections == 0)

    @property
    def base_url(self) -> str:
        """Where it is, without a slash at the end."""
        scheme = "http" if self._tls is None else "https"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.open_connections += 1
        self._writers.add(writer)
        earlier = 0
        try:
            while (asked := await _request(reader, earlier)) is not None:
                self.asked.append(asked)
                await self._say(asked, writer)
                await writer.drain()
                earlier += 1
        except ConnectionError:
            pass  # The client had enough.
        finally:
            writer.close()
            self._writers.discard(writer)
            self.open_connections -= 1


async def _request(reader: asyncio.StreamReader, earlier: int) -> Asked | None:
    """Read one request; return None where the client has left."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = tuple(head.split("\r\n")[:-2])
        length = next((one for one in lines if one.lower().startswith("content-length:")), ":0")
        body = await reader.readexactly(int(length.partition(":")[2]))
    except asyncio.IncompleteReadError:
        return None
    return Asked(lines[0].split(" ")[1], earlier, lines, body)
