"""Connections that say nothing, or stop half way: as many as a server takes."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.fakes.crowd import ALONE, chat
from tests.fakes.eventually import eventually
from tests.hostile.conftest import Figures
from tests.hostile.measured_server import MeasuredServer, measured_server
from tests.hostile.test_quiet_server import CANNED

MOST = 1_000
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"  # empty; ours is never acknowledged
PATIENCE_S = 20.0
PROBES = 5
PROBED = {**CANNED, "server": {"health_listen": "127.0.0.1:0"}}


@contextlib.contextmanager
def opened(address: str, count: int, said: bytes) -> Iterator[None]:
    """Open connections, say so much on each, and nothing more while the block runs."""
    host, _, port = address.rpartition(":")
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            one = socket.create_connection((host, int(port)), timeout=5)
            stack.enter_context(one)
            with contextlib.suppress(OSError):
                one.sendall(said)
        yield


def for_probes(server: MeasuredServer) -> str:
    """Return where probes ask."""
    (started,) = server.process.events("server.started")
    return str(started["health_listen"])


async def is_alive(address: str) -> bool:
    """Return whether one of some probes is told that the server lives: a busy machine may be late."""
    for _ in range(PROBES):
        if await answers(address):
            return True
    return False


async def answers(address: str) -> bool:
    """Return whether a probe that connects anew is told within a second that the server lives."""
    async with grpc.aio.insecure_channel(address, options=ALONE) as channel:
        request = health_pb2.HealthCheckRequest(service="liveness")
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=1)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def seconds_until_answered(address: str) -> float:
    """Call, each time on a connection of its own, until a call is answered."""
    began_s = time.monotonic()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with grpc.aio.insecure_channel(address, options=ALONE) as channel:
                try:
                    await asyncio.wait_for(chat(channel), timeout=1)
                except (TimeoutError, grpc.aio.AioRpcError):
                    continue
                return time.monotonic() - began_s


def states(server: MeasuredServer) -> list[object]:
    return [line["state"] for line in server.process.events("connections.changed")]


@pytest.mark.parametrize(
    ("what", "said", "most_s"),
    [
        ("nothing", b"", 10),
        ("half of a preface", PREFACE[:5], 10),
        ("no acknowledgement", PREFACE + SETTINGS, 15),
    ],
)
async def test_a_thousand_silent_connections_shut_nobody_out_for_long(
    tmp_path: Path, what: str, said: bytes, most_s: float, figures: Figures
) -> None:
    async with measured_server(tmp_path, PROBED) as server:
        with opened(server.address, MOST, said):
            assert await is_alive(for_probes(server))
            await eventually(lambda: states(server) == ["full"])
            waited_s = await seconds_until_answered(server.address)
            assert await is_alive(for_probes(server))
            await eventually(lambda: states(server) == ["full", "free"])
        full, _ = server.process.events("connections.changed")
        assert f"{MOST} are of 127.0.0.1" in str(full["detail"])
        figures(f"{MOST} connections that say {what}: next call after", waited_s, most_s, "s")
        assert waited_s < most_s
        assert await server.stop() == 0


async def test_the_listener_for_probes_lets_nobody_stay(tmp_path: Path, figures: Figures) -> None:
    async with measured_server(tmp_path, PROBED) as server:
        address = for_probes(server)
        with opened(address, 200, b""):
            began_s = time.monotonic()
            async with asyncio.timeout(PATIENCE_S):
                while not await answers(address):
                    pass
            waited_s = time.monotonic() - began_s
        figures("200 silent connections to probes' listener: next probe after", waited_s, 8, "s")
        assert waited_s < 8
