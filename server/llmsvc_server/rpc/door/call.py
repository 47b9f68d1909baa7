"""One call of the in-loop door, from its arrival to the moment that gRPC lets it go."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import grpc
from typing_extensions import override

from llmsvc_server.rpc.door.batch import Batch
from llmsvc_server.rpc.door.core import (
    NO_DEADLINE_S,
    NO_FLAGS,
    OK,
    ReceiveClose,
    ReceiveMessage,
    SendHeaders,
    SendMessage,
    SendStatus,
)
from llmsvc_server.rpc.door.interface import Context, Metadata
from llmsvc_server.rpc.door.pump import Pump

MAX_AT_ONCE = 16
"""Reads and writes that never had to wait, in a row, before a call lets the loop do something else."""

CALLER_GONE = "the caller is gone"

Serializer = Callable[[Any], bytes]


class InLoopCall(Context):
    """What its method sees. Once it is let go, it says what it knew and sends nothing more.

    All that it knows are values, so that nobody can ask a call that is gone. It never begins what
    gRPC's core would refuse: grpcio keeps a refused batch, and its call, for ever.
    """

    __slots__ = (
        "_at_once",
        "_call",
        "_deadline_s",
        "_headers",
        "_metadata",
        "_peer",
        "_pump",
        "_reads",
        "_task",
        "_trailers",
        "_writes",
        "is_ended",
        "is_gone",
        "method",
        "serialize",
    )

    def __init__(self, event: Any, pump: Pump) -> None:  # noqa: ANN401  gRPC's own
        """Take over a call that arrived.

        Attributes:
            method: Full name, "/package.Service/Method", as bytes.
            serialize: Makes bytes of what is written; None where it is bytes.
            is_ended: Whether its status is on its way, or was given up.
            is_gone: Whether its caller is.
        """
        self._call = event.call
        self._pump = pump
        self._deadline_s: float = event.call_details.deadline
        self._metadata = event.invocation_metadata
        self._peer: str | None = None
        self._headers: tuple[object, ...] = (SendHeaders((), NO_FLAGS),)  # still to be sent
        self._trailers: Metadata = ()
        self._reads = self._writes = False
        self._at_once = 0
        self._task: asyncio.Task[None] | None = None
        self.method: bytes = event.call_details.method
        self.serialize: Serializer | None = None
        self.is_ended = self.is_gone = False

    def run(self, task: "asyncio.Task[None]") -> None:
        """Be served by `task`, which is cancelled if the caller leaves before the end."""
        self._task = task
        self._call.start_server_batch((ReceiveClose(NO_FLAGS),), self._take_close)

    def let_go(self) -> None:
        """Give gRPC its call back: until then it counts as one of its connection's."""
        if not (self.is_ended or self.is_gone):
            self.is_ended = True
            self._call.cancel()  # nobody would ever end it
        self._call = self._task = None

    def _take_close(self, event: Any) -> None:  # noqa: ANN401  gRPC's own
        self.is_gone = event.batch_operations[0].cancelled()
        if self.is_gone and not self.is_ended and self._task is not None:
            self._task.cancel()

    @override
    async def read(self) -> Any:
        if self._reads:
            raise grpc.aio.InternalError("another read is under way")
        self._reads = True
        receiving = ReceiveMessage(NO_FLAGS)
        await self._run((receiving,))
        self._reads = False
        message = receiving.message()
        return grpc.aio.EOF if message is None else message

    @override
    async def write(self, message: Any) -> None:
        if self._writes or self.is_ended:
            raise grpc.aio.InternalError("another write is under way, or the call is over")
        data = message if self.serialize is None else self.serialize(message)
        self._writes = True
        headers, self._headers = self._headers, ()
        if not await self._run((*headers, SendMessage(data, NO_FLAGS))):
            raise grpc.aio.InternalError(CALLER_GONE)
        self._writes = False

    @override
    async def send_initial_metadata(self, initial_metadata: Metadata) -> None:
        if self._headers:
            self._headers = (SendHeaders(tuple(initial_metadata), NO_FLAGS),)

    @override
    def set_trailing_metadata(self, trailing_metadata: Metadata) -> None:
        self._trailers = tuple(trailing_metadata)

    @override
    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata = ()
    ) -> NoReturn:
        self._trailers = trailing_metadata or self._trailers
        await self.end(code, details)
        raise grpc.aio.AbortError("the call was ended")

    async def end(self, code: grpc.StatusCode, details: str = "", message: Any = None) -> None:  # noqa: ANN401  as `write`
        """Send a status, behind a last message if there is one, and headers if none were sent.

        Raises:
            grpc.aio.InternalError: The caller is gone.
        """
        if self.is_ended:
            raise grpc.aio.InternalError("the call is over")
        operations = [*self._headers]
        if message is not None:
            data = message if self.serialize is None else self.serialize(message)
            operations.append(SendMessage(data, NO_FLAGS))
        operations.append(SendStatus(tuple(self._trailers), code.value[0], details, NO_FLAGS))
        self.is_ended = True
        if not await self._run(tuple(operations)):
            raise grpc.aio.InternalError(CALLER_GONE)

    @override
    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        return self._metadata  # type: ignore[no-any-return]  # gRPC's own

    @override
    def peer(self) -> str:
        if self._peer is None:
            self._peer = "" if self._call is None else self._call.peer().decode()
        return self._peer

    @override
    def time_remaining(self) -> float | None:
        if self._deadline_s >= NO_DEADLINE_S:
            return None
        return max(0.0, self._deadline_s - time.time())  # noqa: TID251  gRPC's own clock

    async def _run(self, operations: tuple[object, ...]) -> bool | None:
        batch = Batch()
        if self._call is None or self._call.start_server_batch(operations, batch) != OK:
            raise grpc.aio.InternalError("the call is over")
        if not self._pump.work_until(batch):
            self._at_once = 0
            await batch.wait(self._pump.loop)
        elif (at_once := self._at_once + 1) < MAX_AT_ONCE:
            self._at_once = at_once
        else:
            self._at_once = 0
            await asyncio.sleep(0)
        return batch.success
