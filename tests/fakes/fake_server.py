"""What every fake upstream has: a real socket, a record of what came, and an end without leaks."""

import asyncio
import math
from abc import ABC, abstractmethod
from types import TracebackType
from typing import ClassVar, Self

from aiohttp import web

from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.ollama_doors import Doors
from tests.fakes.ollama_record import Connection, Exchange, Outcome


class FakeServer(ABC):
    """Serves inside `async with`. An error inside the fake itself fails the test when it closes.

    Attributes:
        exchanges: Every request, in order of arrival.
        in_flight: How many chats are being answered now.
        most_in_flight: How many that were at most.
    """

    product: ClassVar[str]
    """Whose server it stands for."""

    chat_path: ClassVar[str]
    """The path of a request for an answer."""

    def __init__(self) -> None:
        """Be closed, and have seen nothing."""
        self.exchanges: list[Exchange] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self._defects: list[Exception] = []
        self._doors: Doors | None = None

    @abstractmethod
    async def _play(self, request: web.BaseRequest, exchange: Exchange) -> web.StreamResponse:
        """Answer one request."""

    async def __aenter__(self) -> Self:
        """Listen on a free port of 127.0.0.1."""
        self._doors = Doors(self._handle)
        await self._doors.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cut everything; raise what went wrong inside the fake."""
        self.shut_down()
        await self.idle()
        await eventually(lambda: self.open_connections == 0)
        if self._defects:
            raise ExceptionGroup(f"inside the fake {self.product}", self._defects)

    @property
    def port(self) -> int:
        """The port, the same after `start_listening`."""
        return self._running.port

    @property
    def origin(self) -> str:
        """The root of the server, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """What a configuration names, without a slash at the end."""
        return self.origin

    @property
    def connections(self) -> list[Connection]:
        """Every TCP connection so far, in order."""
        return self._running.all

    @property
    def open_connections(self) -> int:
        """How many TCP connections are open now."""
        return sum(connection.open for connection in self.connections)

    @property
    def chats(self) -> list[Exchange]:
        """The requests for an answer, in order."""
        return self.requests(self.chat_path)

    def requests(self, path: str) -> list[Exchange]:
        """The requests for one path, in order."""
        return [one for one in self.exchanges if one.path == path]

    async def received(
        self, n: int = 1, *, path: str | None = None, within_s: float = PATIENCE_S
    ) -> Exchange:
        """Wait for the n-th request for a path, that of chats if None, and return it."""
        wanted = self.chat_path if path is None else path
        await eventually(lambda: len(self.requests(wanted)) >= n, within_s=within_s)
        return self.requests(wanted)[n - 1]

    async def client_gone(self, n: int = 1, *, within_s: float = PATIENCE_S) -> Exchange:
        """Wait until n clients left before their answer's end; return that n-th exchange."""

        def gone() -> list[Exchange]:
            left = [one for one in self.exchanges if one.outcome is Outcome.CLIENT_GONE]
            return sorted(left, key=lambda one: one.ended_at_s or math.inf)

        await eventually(lambda: len(gone()) >= n, within_s=within_s)
        return gone()[n - 1]

    async def idle(self, *, within_s: float = PATIENCE_S) -> None:
        """Wait until no request is being answered."""
        await eventually(lambda: all(one.outcome for one in self.exchanges), within_s=within_s)

    def stop_listening(self) -> None:
        """Refuse new connections; those there are stay."""
        self._running.close()

    async def start_listening(self) -> None:
        """Listen again, on the same port."""
        await self._running.open()

    def cut_connections(self, *, idle_only: bool = False) -> None:
        """Close all connections at once, or those over which no request runs."""
        busy = {one.connection for one in self.exchanges if one.outcome is None}
        self._running.cut(spare=busy if idle_only else ())

    def shut_down(self) -> None:
        """End as a real server does: no listener, every connection cut, no last chunk."""
        self.stop_listening()
        self.cut_connections()

    @property
    def _running(self) -> Doors:
        assert self._doors is not None, "use it inside `async with`"
        return self._doors

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = self._running.connection_of(request)
        connection.requests += 1
        exchange = Exchange(
            number=len(self.exchanges) + 1,
            connection=connection,
            method=request.method,
            path=request.raw_path.partition("?")[0],
            headers=dict(request.headers),
            body=await request.content.read(),
        )
        self.exchanges.append(exchange)
        is_chat = self._is_chat(exchange)
        self.in_flight += is_chat
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            response = await self._play(request, exchange)
        except (asyncio.CancelledError, ConnectionError):
            exchange.end(Outcome.SCRIPT_CUT if connection.cut else Outcome.CLIENT_GONE)
            raise
        except Exception as defect:
            self._defects.append(defect)
            exchange.end(Outcome.SCRIPT_CUT)
            raise
        finally:
            self.in_flight -= is_chat
        exchange.end(Outcome.COMPLETED)
        return response

    def _is_chat(self, exchange: Exchange) -> bool:
        return exchange.path == self.chat_path
