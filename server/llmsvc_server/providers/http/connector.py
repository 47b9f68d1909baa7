"""How connections to an upstream are made: to permitted addresses only, and handed out quiet."""

import asyncio
import select
import socket
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from typing_extensions import override

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.direct_post import reason_for_sessions
from llmsvc_server.providers.http.faults import SpokeFirstError, lack_in, translate
from llmsvc_server.providers.http.front_guard import FrontGuard
from llmsvc_server.providers.http.guarded_handler import GuardedHandler
from llmsvc_server.providers.http.networks import Networks

RECEIVE_BUFFER_BYTES = 64 * 1024
"""What the kernel keeps of a connection, twice at most. libuv reads it empty, up to 32 times 256 KB,
before anybody else has a turn; the kernel would keep megabytes for who sends fast."""


@dataclass(slots=True)
class ConnectAttempt:
    """What became of one request's connection."""

    is_new: bool = False
    leads_outside: bool = False
    lack: str = ""
    transport: asyncio.Transport | None = None

    def translate(self, error: Exception) -> ProviderError:
        """Return what an error before the body means."""
        if self.leads_outside and isinstance(error, aiohttp.ClientConnectorError):
            return ProviderError(ErrorKind.REMOTE_REFUSED, phase="connect", called=False)
        return translate(error, lack=self.lack)

    def drop_unsent(self) -> None:
        """End a connection at once that aiohttp has only asked to close.

        Closing waits until the rest of the request is sent: for ever, if the upstream stands still.
        """
        if self.transport is not None and self.transport.get_write_buffer_size():
            self.transport.abort()


# A trace of aiohttp would tell the same, at 15 us a request (docs/facts/hot-path.md 4).
current_attempt: ContextVar[ConnectAttempt | None] = ContextVar("attempt", default=None)


class _OutsideError(OSError):
    """An address outside the operator's network."""


class Dialler:
    """Makes sockets, for addresses that may be dialled only. Asked at every connect."""

    def __init__(self, networks: Networks | None) -> None:
        """Permit what lies in `networks`; None for anything."""
        self._networks = networks

    def __call__(self, address: aiohttp.AddrInfoType) -> socket.socket:
        """Return a socket for an address; see `aiohttp.TCPConnector`."""
        attempt = current_attempt.get()
        if attempt is not None:
            attempt.is_new = True
        family, kind, protocol, _, place = address
        if self._networks is not None and not self._networks.holds(str(place[0])):
            if attempt is not None:
                attempt.leads_outside = True
            raise _OutsideError
        if attempt is not None:
            attempt.leads_outside = False  # one of its addresses lies inside
        try:
            made = socket.socket(family, kind, protocol)
        except OSError as error:
            if attempt is not None:
                attempt.lack = lack_in(error)
            raise
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        return made


class Connector(aiohttp.TCPConnector):
    """Hands out connections with nothing unread, and tells the running attempt which one it got."""

    def __init__(self, networks: Networks | None) -> None:
        """Connect to what lies in `networks`; None for anything. On the running loop."""
        super().__init__(limit=0, socket_factory=Dialler(networks))
        if not reason_for_sessions():
            handlers = partial(GuardedHandler, asyncio.get_running_loop(), select.poll())
            self._factory = cast("partial[ResponseHandler]", handlers)

    @override
    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            guarded = (
                protocol if isinstance(protocol, GuardedHandler) else FrontGuard.of(connection)
            )
            if guarded.is_quiet():
                break
            connection.close()
            if not guarded.has_served:
                raise SpokeFirstError
        connection.add_callback(guarded.rest)
        if isinstance(guarded, FrontGuard):
            guarded.expect()
        attempt = current_attempt.get()
        if attempt is not None:
            attempt.transport = connection.transport
        return connection
