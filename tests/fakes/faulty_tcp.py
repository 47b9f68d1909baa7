"""A TCP listener that is no good server, or a proxy that spoils what a good one sends."""

import asyncio
from enum import StrEnum
from types import TracebackType
from typing import Self

from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.linger import reset_on_close


class Mode(StrEnum):
    """What it does with a connection. Those before `PASS` need no server behind."""

    BLACK_HOLE = "accepts, reads, never answers"
    CLOSE = "closes at once"
    RESET = "resets at once"
    NOT_HTTP = "answers something that is not HTTP"
    PASS = "passes everything"  # noqa: S105  what it does, no password
    TRUNCATE = "passes the first bytes of an answer, then closes"
    BYTE_BY_BYTE = "passes an answer in pieces of one byte"
    HOLD = "passes requests, keeps answers until its gate is open"


class FaultyTcp:
    """`async with FaultyTcp(Mode.RESET) as tcp:` listens on `tcp.base_url`.

    Attributes:
        mode: For connections that come from now on; `TRUNCATE` and later look at it per read.
        truncate_after_bytes: How much of the answers of one connection `TRUNCATE` lets through.
        gate: Where `HOLD` keeps answers.
        accepted: How many connections came in all.
        open_connections: How many of them the client has not closed, nor we.
        received: What clients sent to a listener without a server behind, all together.
    """

    def __init__(
        self,
        mode: Mode,
        *,
        target_port: int | None = None,
        truncate_after_bytes: int = 0,
        host: str = "127.0.0.1",
    ) -> None:
        """Describe it; it listens inside `async with`.

        Args:
            mode: What to do.
            target_port: Port on 127.0.0.1 of the server behind.
            truncate_after_bytes: For `TRUNCATE`.
            host: Which address of this machine the server behind sees calling.
        """
        self.mode = mode
        self.truncate_after_bytes = truncate_after_bytes
        self.gate = Gate()
        self.accepted = 0
        self.open_connections = 0
        self.received = b""
        self.port = 0
        self._target_port = target_port
        self._host = host
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        """Listen on a free port of 127.0.0.1."""
        await self.accept()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close everything."""
        self.refuse()
        self.gate.open()
        self.cut_connections()
        await eventually(lambda: self.open_connections == 0)

    @property
    def base_url(self) -> str:
        """Where it is, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    async def accept(self) -> None:
        """Listen: on a free port at first, later on the same one."""
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Refuse connections from now on; those there are stay."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def cut_connections(self) -> None:
        """Close all connections, on both sides."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.open_connections += 1
        self._writers.add(writer)
        try:
            match self.mode:
                case Mode.CLOSE:
                    pass
                case Mode.RESET:
                    reset_on_close(writer.transport)
                case Mode.BLACK_HOLE:
                    await self._swallow(reader)
                case Mode.NOT_HTTP:
                    self.received += await reader.read(65_536)
                    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
                    await self._swallow(reader)
                case _:
                    await self._relay(reader, writer)
        except ConnectionError:
            pass  # The other side was as rude.
        finally:
            writer.close()
            self._writers.discard(writer)
            self.open_connections -= 1

    async def _swallow(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65_536):
            self.received += data

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection(
            "127.0.0.1", self._target_port, local_addr=(self._host, 0)
        )
        self._writers.add(behind_writer)
        try:
            async with asyncio.TaskGroup() as both:
                down = both.create_task(self._spoil(behind_reader, writer))
                await _pump(reader, behind_writer)
                # The client has left, or the answer is over: nobody is there to hold it for.
                down.cancel()
        except* ConnectionError:
            pass  # One side is gone; `finally` and the caller close the other.
        finally:
            behind_writer.close()
            self._writers.discard(behind_writer)

    async def _spoil(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        while data := await reader.read(65_536):
            match self.mode:
                case Mode.TRUNCATE:
                    data = data[: self.truncate_after_bytes - passed]
                    writer.write(data)
                    if passed + len(data) >= self.truncate_after_bytes:
                        break
                case Mode.BYTE_BY_BYTE:
                    await _drop_by_drop(data, writer)
                case Mode.HOLD:
                    await self.gate.passed()
                    writer.write(data)
                case _:
                    writer.write(data)
            passed += len(data)
            await writer.drain()
        writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def _drop_by_drop(data: bytes, writer: asyncio.StreamWriter) -> None:
    for at in range(len(data)):
        writer.write(data[at : at + 1])
        await writer.drain()
        # Twice: once for the reader's side to be woken, once for it to read.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
