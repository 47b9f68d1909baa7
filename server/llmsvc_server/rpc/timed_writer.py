"""Messages to a caller that may have stopped reading."""

import asyncio
from types import TracebackType
from typing import Self

from llmsvc_server.errors import StreamInterrupted
from llmsvc_server.failures import InterruptCause
from llmsvc_server.rpc.callinfo import Call
from llmsvc_server.rpc.headers import Metadata
from llmsvc_server.rpc.progress import StreamWriter
from llmsvc_server.watchdog import TimedWait, Watchdog


class TimedWriter(TimedWait):
    """A writer that waits for its caller, message by message, and not for ever.

    gRPC takes a message once the caller's window has room for it. A message that is given up stays
    on its way all the same, so the call ends with it (docs/facts/grpc-aio.md 3).
    """

    __slots__ = ("_call", "_clock", "_timeout_s", "_writer")

    def __init__(
        self, watchdog: Watchdog, writer: StreamWriter, call: Call, *, timeout_s: float
    ) -> None:
        """Write to `writer` for the running task, which waits `timeout_s` seconds for a message."""
        super().__init__(watchdog)
        self._writer = writer
        self._call = call
        self._timeout_s = timeout_s
        self._clock = asyncio.get_running_loop().time

    def __enter__(self) -> Self:
        """Let the limit run."""
        self._watchdog.waits.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let it run no more."""
        self._watchdog.waits.discard(self)

    async def send_initial_metadata(self, initial_metadata: Metadata) -> None:
        """Send the headers; raises as `write`."""
        self.begin_until(self._clock() + self._timeout_s)
        try:
            await self._writer.send_initial_metadata(initial_metadata)
        except asyncio.CancelledError:
            self._give_up(0)
            raise
        finally:
            self.waits = False

    async def write(self, message: bytes) -> None:
        """Send one message, encoded.

        Raises:
            StreamInterrupted: The caller did not take it in time.
        """
        # As `begin_until`, in one step: it is asked for every token.
        self.waits = True
        self.due_s = due_s = self._clock() + self._timeout_s
        if due_s < self._watchdog.armed_s:
            self._watchdog.look_at(due_s)
        try:
            await self._writer.write(message)
        except asyncio.CancelledError:
            self._give_up(len(message))
            raise
        finally:
            self.waits = False

    def _give_up(self, size_bytes: int) -> None:
        self._call.unsent_bytes = size_bytes
        if self.broke():
            raise StreamInterrupted(InterruptCause.SLOW_READER) from None
