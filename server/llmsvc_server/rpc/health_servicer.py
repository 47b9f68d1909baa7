"""grpc.health.v1 over the board: a probe reads a table and causes nothing.

The stock asyncio servicer cannot List, starts out SERVING, and holds a drain up while somebody
watches (docs/facts/grpc-aio.md 4).
"""

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from typing_extensions import override

from llmsvc_server.health.board import Board
from llmsvc_server.rpc.callinfo import connection_of
from llmsvc_server.rpc.door.interface import Context
from llmsvc_server.rpc.open_streams import OpenStreams

UNKNOWN: int = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
SERVING: int = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING: int = health_pb2.HealthCheckResponse.NOT_SERVING

MAX_WATCH_S = 2_400.0
"""Longer than a connection may grow old (rpc/options.py): who leaves an old one never meets it."""


def watches() -> OpenStreams:
    """Return the bounds of Watch; one costs 16 KiB."""
    return OpenStreams("health Watch", per_connection=64, in_all=1_000, max_s=MAX_WATCH_S)


class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # untyped
    """Check, List and Watch."""

    def __init__(self, board: Board, watches: OpenStreams) -> None:
        """Answer from `board`, as many watches at once as have a place."""
        self._board = board
        self._watches = watches

    @override
    async def Check(
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> health_pb2.HealthCheckResponse:
        """Return one status; NOT_FOUND for a name that does not exist."""
        status = self._status(request.service)
        if status == UNKNOWN:
            await context.abort(
                grpc.StatusCode.NOT_FOUND, "No such health name; List tells which there are."
            )
        return health_pb2.HealthCheckResponse(status=status)

    @override
    async def List(
        self, request: health_pb2.HealthListRequest, context: Context
    ) -> health_pb2.HealthListResponse:
        """Return the whole table."""
        return health_pb2.HealthListResponse(
            statuses={
                name: health_pb2.HealthCheckResponse(status=self._status(name))
                for name in self._board.table
            }
        )

    @override
    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Context) -> None:
        """Write the status now and at each transition; end when the server drains."""
        async with self._watches.place(connection_of(context)):
            await self._report(request.service, context)

    async def _report(self, name: str, context: Context) -> None:
        reported: int | None = None
        while True:
            # Read before the write: what changes while it waits is seen in the next round.
            changed, draining = self._board.change(), self._board.draining
            status = self._status(name)
            if status != reported:
                await context.write(health_pb2.HealthCheckResponse(status=status))
                reported = status
            if draining:
                return
            await changed.wait()

    def _status(self, name: str) -> int:
        serving = self._board.table.get(name)
        if serving is None:
            return UNKNOWN
        return SERVING if serving else NOT_SERVING
