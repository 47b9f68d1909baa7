"""The listening side of a fake Ollama: its port, its connections, who may come in."""

import asyncio
import contextlib
import ipaddress
from collections.abc import Awaitable, Callable, Collection
from urllib.parse import urlsplit

from aiohttp import web, web_protocol
from typing_extensions import override

from tests.fakes.ollama_record import Connection

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Doors(web.Server):
    """A listener on 127.0.0.1 that can be closed and opened again, and counts connections."""

    def __init__(self, handler: Handler) -> None:
        """Be closed, on no port yet."""
        super().__init__(handler, handler_cancellation=True, access_log=None)
        self.port = 0
        self.all: list[Connection] = []
        self._now: dict[web_protocol.RequestHandler, tuple[Connection, asyncio.Transport]] = {}
        self._listener: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen: on a free port at first, later on the same one."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Refuse new connections."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def cut(self, *, spare: Collection[Connection] = ()) -> None:
        """Close the connections that are open, at once."""
        for connection, transport in list(self._now.values()):
            if connection not in spare:
                connection.cut = True
                transport.abort()

    def connection_of(self, request: web.BaseRequest) -> Connection:
        """Return the connection over which a request came."""
        return self._now[request.protocol][0]

    @override
    def connection_made(
        self, handler: web_protocol.RequestHandler, transport: asyncio.Transport
    ) -> None:
        """Note a new connection."""
        super().connection_made(handler, transport)
        connection = Connection(len(self.all) + 1)
        self.all.append(connection)
        self._now[handler] = (connection, transport)

    @override
    def connection_lost(
        self, handler: web_protocol.RequestHandler, exc: BaseException | None = None
    ) -> None:
        """Note that a connection is closed."""
        super().connection_lost(handler, exc)
        connection, _ = self._now.pop(handler)
        connection.open = False


def is_own_address(request: web.BaseRequest) -> bool:
    """Return whether a loopback server answers: `Host` and `Origin` name a place of its own.

    Source: docs/facts/ollama.md 1.
    """
    origin = request.headers.get("Origin")
    places = [request.host] + ([urlsplit(origin).netloc] if origin else [])
    return all(_is_near(urlsplit(f"//{place}").hostname or "") for place in places)


def _is_near(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_private
    return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
