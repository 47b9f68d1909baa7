"""How many connections listeners hold, read off this process's own sockets.

gRPC's core counts them too, but tells nobody, and closes what comes above its limit without a word.
"""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress

from llmsvc_server.reports import ConnectionsState, Reporter, Transition
from llmsvc_server.rpc.listening import ListenAddresses, format_address

DESCRIPTORS = "/dev/fd"
CHECK_S = 2.0
ROOM = 0.9
"""Below this part of the maximum there is room again."""

Connection = tuple[str, int, str]
"""A connection: our host and port, and the peer's host."""


class Connections:
    """Tells when an address holds all the connections that it takes, and when it has room."""

    def __init__(self, places: ListenAddresses, max_connections: int, reporter: Reporter) -> None:
        """Watch `places`, each of which takes `max_connections`."""
        self.max_connections = max_connections
        self._places = places
        self._reporter = reporter
        self._full: set[str] = set()

    def check(self, connections: Collection[Connection]) -> None:
        """Compare with what the process holds now."""
        for address in self._places.addresses:
            peers = Counter(
                peer for host, port, peer in connections if self._is_of(address, host, port)
            )
            if peers.total() >= self.max_connections:
                self._report_full(address, peers)
            elif peers.total() < self.max_connections * ROOM and address in self._full:
                self._full.discard(address)
                self._report(address, ConnectionsState.FREE, f"{peers.total()} connections")

    def _is_of(self, address: str, host: str, port: int) -> bool:
        # One that stands alone may be a wildcard: connections have addresses of their own then.
        return port == self._places.port and (
            len(self._places.addresses) == 1 or address == format_address(host, port)
        )

    def _report_full(self, address: str, peers: Counter[str]) -> None:
        if address in self._full:
            return
        self._full.add(address)
        ((host, count),) = peers.most_common(1)
        detail = f"{peers.total()} connections, and no more are taken; {count} are of {host}"
        self._report(address, ConnectionsState.FULL, detail)

    def _report(self, address: str, state: ConnectionsState, detail: str) -> None:
        change = Transition(name=address, state=state, detail=detail)
        self._reporter.changed(change)


async def watch(listeners: Sequence[Connections], *, every_s: float = CHECK_S) -> None:
    """Check every `every_s` seconds, for ever."""
    min_descriptors = min(one.max_connections for one in listeners)
    while True:
        await asyncio.sleep(every_s)
        found = await asyncio.to_thread(
            list_connections, min_descriptors
        )  # a thousand take milliseconds
        for one in listeners:
            one.check(found)


def list_connections(min_descriptors: int) -> Sequence[Connection]:
    """Return this process's connections; none where it can't have as many descriptors, or can't tell."""
    with suppress(OSError):
        descriptors = os.listdir(DESCRIPTORS)  # noqa: PTH208  half the time
        if len(descriptors) >= min_descriptors:
            return list(_connections(map(int, descriptors)))
    return ()


def _connections(descriptors: Iterable[int]) -> Iterator[Connection]:
    for descriptor in descriptors:
        with suppress(OSError):  # it is no socket, has no peer, or is closed by now
            one = socket.socket(fileno=descriptor)
            try:
                if one.family in {socket.AF_INET, socket.AF_INET6}:
                    own, peer = one.getsockname(), one.getpeername()
                    yield _unmap(own[0]), own[1], _unmap(peer[0])
            finally:
                one.detach()  # it is not ours to close


def _unmap(host: str) -> str:
    """Return an IPv4 address as such, also where IPv6 sockets hold it."""
    return host.removeprefix("::ffff:")
