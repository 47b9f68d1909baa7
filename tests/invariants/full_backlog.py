"""A listener that lets nobody in: connections to it stay half made."""

import socket
from types import TracebackType
from typing import Self

import psutil


class FullBacklog:
    """`with FullBacklog() as full:` listens on `full.base_url`, and accepts nothing."""

    def __init__(self) -> None:
        """Be on no port yet."""
        self._listener = socket.socket()
        self._guests: list[socket.socket] = []
        self._own = 0

    def __enter__(self) -> Self:
        """Listen on a free port of 127.0.0.1, and fill the line in front of it."""
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        while not self.half_made:
            guest = socket.socket()
            guest.settimeout(0)
            guest.connect_ex(self._listener.getsockname())
            self._guests.append(guest)
        self._own = self.half_made
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close everything."""
        for one in (self._listener, *self._guests):
            one.close()

    @property
    def base_url(self) -> str:
        """Where it is, as an OpenAI-compatible server's address."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def port(self) -> int:
        """Its port."""
        number: int = self._listener.getsockname()[1]
        return number

    @property
    def half_made(self) -> int:
        """How many connections to it this process tries to make, besides those that fill it."""
        tried = sum(
            one.status == psutil.CONN_SYN_SENT and one.raddr.port == self.port
            for one in psutil.Process().net_connections("tcp4")
        )
        return tried - self._own
