"""Each method is guarded by its own row of the table, and a method without one is a probe."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from llmsvc_server.rpc.arrivals import Arrivals
from llmsvc_server.rpc.callinfo import TimeLimits, current_call
from llmsvc_server.rpc.door.interface import Context
from llmsvc_server.rpc.guard import Guard
from llmsvc_server.rpc.inflight import InFlight
from llmsvc_server.rpc.methods import MethodRules
from llmsvc_server.rpc.unsent import Unsent
from tests.fakes.assembled import everyday_held
from tests.fakes.doors import door_here
from tests.fakes.listening_reporter import ListeningReporter

SERVICE = "test.Service"
WORK, WAIT, PROBE, DEFECT = (f"/{SERVICE}/{name}" for name in ("Work", "Wait", "Probe", "Defect"))


def rules(limit_s: float) -> MethodRules:
    """Return a row with parts of its own."""
    return MethodRules(
        limits=TimeLimits(default_s=limit_s, cap_s=limit_s),
        registry=InFlight(),
        reporter=ListeningReporter(),
        gate=Unsent(everyday_held(), timeout_s=1.0),
    )


@dataclass
class Served:
    """A server with three methods, and the rows of two."""

    channel: grpc.aio.Channel
    work: MethodRules
    wait: MethodRules

    def running(self) -> tuple[int, int]:
        """Return how many calls of each method with a row run now."""
        return len(self.work.registry), len(self.wait.registry)

    async def call(self, method: str) -> bytes:
        """Return what a method says."""
        calling: Any = self.channel.unary_unary(method)
        return bytes(await calling(b"hello"))


@asynccontextmanager
async def served() -> AsyncIterator[Served]:
    """Serve `Work`, which says how many run, `Wait`, which takes for ever, and two probes."""
    work, wait = rules(60.0), rules(0.05)
    clock = time.monotonic
    arrivals = Arrivals(max_arriving=8, is_memory_short=lambda: False, clock=clock)
    guard = Guard(
        {WORK: work, WAIT: wait},
        arrivals=arrivals,
        probes=Unsent(everyday_held(), timeout_s=1.0),
        clock=clock,
    )
    server = door_here().make_server(guard, ())

    async def says(request: bytes, _context: Context) -> bytes:
        is_known = current_call.get(None) is not None
        return request + f" {is_known} {here.running()}".encode()

    async def gives_up(_request: bytes, _context: Context) -> bytes:
        raise asyncio.CancelledError

    async def waits(_request: bytes, _context: Context) -> bytes:
        await asyncio.Event().wait()
        return b""

    methods = {"Work": says, "Wait": waits, "Probe": says, "Defect": gives_up}
    server.add_registered_method_handlers(
        SERVICE,
        {
            name: grpc.unary_unary_rpc_method_handler(method, bytes, bytes)
            for name, method in methods.items()
        },
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        here = Served(channel, work, wait)
        yield here
    await server.stop(0)


def reported(row: MethodRules) -> list[tuple[str, str]]:
    """Return method and code of each call that a row's reporter was told of."""
    assert isinstance(row.reporter, ListeningReporter)
    assert len(row.reporter.starts) == len(row.reporter.rpcs)
    return [(one.method, one.code) for one in row.reporter.rpcs]


async def test_a_method_has_the_registry_and_the_reporter_of_its_row() -> None:
    async with served() as here:
        said = await here.call(WORK)

        assert said == b"hello True (1, 0)"
        assert ([(WORK, "OK")], []) == (reported(here.work), reported(here.wait))
        assert here.running() == (0, 0)


async def test_a_method_has_the_time_of_its_row() -> None:
    async with served() as here:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await here.call(WAIT)

        assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert ([], [(WAIT, "DEADLINE_EXCEEDED")]) == (reported(here.work), reported(here.wait))


async def test_a_method_without_a_row_is_in_no_registry_and_not_reported() -> None:
    async with served() as here:
        said = await here.call(PROBE)

        assert said == b"hello False (0, 0)"
        assert ([], []) == (reported(here.work), reported(here.wait))


async def test_a_probe_that_gives_up_by_itself_owes_its_caller_a_status_all_the_same() -> None:
    async with served() as here:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await here.call(DEFECT)

        assert raised.value.code() is grpc.StatusCode.INTERNAL
