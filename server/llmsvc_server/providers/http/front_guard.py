"""A protocol of ours with the guard of `head_guard.py`, in front of aiohttp's while no body is read.

For versions of aiohttp that nobody has tested: it needs nothing of them that is not public.
"""

import asyncio
import select
from typing import Self

from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from typing_extensions import override

from llmsvc_server.providers.http.head_guard import HeadGuard, Reader


class FrontGuard(asyncio.Protocol):
    """Stands in front of one connection's protocol.

    Attributes:
        transport: The connection.
        has_served: Whether it was used before.
    """

    upgraded = False
    """Who steps aside in time is asked no more."""

    def __init__(self, transport: asyncio.Transport, behind: ResponseHandler) -> None:
        """Stand in front of `behind`, whose connection is new, and let nothing come."""
        self.transport: asyncio.Transport | None = transport
        self.has_served = False
        self._behind = behind
        self._guard = HeadGuard(self, None)
        self._arrivals = select.poll()
        self._arrivals.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self._take_over()

    @classmethod
    def of(cls, connection: Connection) -> Self:
        """Return who stands in front of a connection; a new one gets its guard here."""
        transport, behind = connection.transport, connection.protocol
        assert transport is not None  # noqa: S101  it was just got
        assert behind is not None  # noqa: S101  the same
        guard = transport.get_protocol()
        return guard if isinstance(guard, cls) else cls(transport, behind)

    def is_quiet(self) -> bool:
        """Return whether nothing came that nobody asked for; see `GuardedHandler`."""
        return not self._behind.should_close and not (self.has_served and self._arrivals.poll(0))

    def expect(self) -> None:
        """Let one answer come."""
        self._guard = HeadGuard(self, self._behind)

    def rest(self) -> None:
        """Let nothing come: the answer is over."""
        self.has_served = True
        self._guard = HeadGuard(self, None)
        self._take_over()

    def pass_on(self, reader: Reader, data: bytes) -> None:  # noqa: ARG002  it is behind us
        """Have the protocol behind take what comes before the end of a head."""
        self._behind.data_received(data)

    def step_aside(self, reader: Reader, head: bytes, rest: bytes) -> None:  # noqa: ARG002  as above
        """Have the protocol behind take all that comes, the end of a head by itself."""
        assert self.transport is not None  # noqa: S101  it brings the head
        self.transport.set_protocol(self._behind)
        self._behind.data_received(head)
        if rest and not self.transport.is_closing():
            self._behind.data_received(rest)

    def set_exception(self, exc: BaseException) -> None:
        """Tell who waits for the answer."""
        self._behind.set_exception(exc)

    def force_close(self) -> None:
        """Give the connection to nobody again."""
        self._behind.force_close()

    def _take_over(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.set_protocol(self)

    @override
    def data_received(self, data: bytes) -> None:
        self._guard.feed_data(data)

    @override
    def eof_received(self) -> None:
        self._behind.eof_received()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._behind.connection_lost(exc)

    @override
    def pause_writing(self) -> None:
        self._behind.pause_writing()

    @override
    def resume_writing(self) -> None:
        self._behind.resume_writing()
