"""Streams that nobody means to end: health watches and reflection, as many as a caller can open."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from tests.contract.told import told
from tests.fakes.crowd import ALONE, chat
from tests.hostile.conftest import Figures
from tests.hostile.measured_server import measured_server
from tests.hostile.test_quiet_server import CANNED

MIB = 2**20
CONNECTIONS, EACH = 40, 100
REFUSED = "RESOURCE_EXHAUSTED SERVER_OVERLOADED"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
Stream = Any
"""A call that streams answers: grpcio's two kinds have no common type."""


def watch(channel: grpc.aio.Channel) -> Stream:
    return health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())


def reflection(channel: grpc.aio.Channel) -> Stream:
    request = reflection_pb2.ServerReflectionRequest(list_services="")

    async def forever() -> AsyncIterator[bytes]:
        yield request.SerializeToString()
        await asyncio.Event().wait()

    return channel.stream_stream(REFLECTION, bytes, bytes)(forever())


async def first(stream: Stream) -> str:
    """Return whether a stream begins, or how it ends instead."""
    try:
        await stream.read()
    except grpc.aio.AioRpcError as error:
        failure = told(error)
        if failure.code == "INTERNAL":  # grpc.aio's own: its request came too late to be sent
            return REFUSED
        return f"{failure.code} {failure.reason}"
    return "open"


@pytest.mark.parametrize(
    ("open_one", "places"),
    [pytest.param(watch, 1_000, id="watch"), pytest.param(reflection, 64, id="reflection")],
)
async def test_four_thousand_streams_have_a_bound(
    tmp_path: Path,
    open_one: Callable[[grpc.aio.Channel], Stream],
    places: int,
    figures: Figures,
) -> None:
    async with measured_server(tmp_path, CANNED) as server:
        channels = [
            grpc.aio.insecure_channel(server.address, options=ALONE) for _ in range(CONNECTIONS)
        ]
        for channel in channels:
            await chat(channel)
        before_bytes = server.memory.resident_bytes
        streams = [open_one(channel) for channel in channels for _ in range(EACH)]
        ends = Counter(await asyncio.gather(*map(first, streams)))
        grown_mib = (server.memory.resident_bytes - before_bytes) / MIB
        await chat(channels[0])
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*(channel.close() for channel in channels))
        figures(f"{len(streams)} streams of {open_one.__name__}, grown", grown_mib, 40, "MiB")
        assert await server.stop() == 0

    assert ends == {"open": places, REFUSED: CONNECTIONS * EACH - places}
    assert grown_mib < 40
