"""Many callers of the real program: on one connection, on many, and beside one who floods it."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import psutil
import pytest

from tests.fakes import crowd
from tests.fakes.http2_connection import Http2Connection, Kind, http2_connection
from tests.fakes.requests import chat_message
from tests.fakes.server_process import ServerProcess, config_file, server_process

MOCK_ALONE = {"providers": {"mock": {"enabled": True}}, "default_provider": "mock"}
CHAT = "/llmsvc.v1.LLMService/Chat"
FLOOD = 20_000
MOST_GROWTH_BYTES = 64 * 1024 * 1024


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerProcess]:
    """Return a server that answers at once."""
    config = config_file(tmp_path_factory.mktemp("many"), {"llm": MOCK_ALONE})
    async with server_process(config) as server:
        yield server


@pytest.fixture
async def new_server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """Return another, whose memory nobody has made it take yet."""
    async with server_process(config_file(tmp_path, {"llm": MOCK_ALONE})) as server:
        yield server


@pytest.mark.parametrize("callers", [100, 500])
@pytest.mark.parametrize("call", [crowd.chat, crowd.stream])
async def test_everybody_on_one_connection_is_answered(
    server: ServerProcess, call: crowd.Call, callers: int
) -> None:
    async with grpc.aio.insecure_channel(server.address) as channel:
        ends = await crowd.crowd(channel, call, callers=callers, each=2)

    assert {"OK": 2 * callers} == ends


async def test_calls_of_all_kinds_get_along_on_one_connection(server: ServerProcess) -> None:
    kinds = (crowd.chat, crowd.stream, crowd.refused, crowd.left, crowd.health)
    async with grpc.aio.insecure_channel(server.address) as channel:
        ends = await crowd.crowd(channel, *kinds, callers=200, each=3)

    refusals = {end: count for end, count in ends.items() if end.startswith("INVALID_ARGUMENT: ")}
    assert {"OK": 4 * 120, **refusals} == ends
    assert 120 == sum(refusals.values())


async def test_everybody_on_many_connections_is_answered(server: ServerProcess) -> None:
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(
                grpc.aio.insecure_channel(server.address, options=crowd.ALONE)
            )
            for _ in range(20)
        ]
        for channel in channels:
            await crowd.chat(channel)
        ends = await asyncio.gather(
            *(crowd.crowd(channel, crowd.chat, callers=100, each=1) for channel in channels)
        )

    assert {"OK": 2000} == sum(ends, Counter())


async def test_a_flood_of_calls_begun_and_reset_at_once_is_held(
    new_server: ServerProcess,
) -> None:
    process = psutil.Process(new_server.process.pid)
    request = chat_message().SerializeToString()

    async def flood(connection: Http2Connection) -> None:
        with contextlib.suppress(ConnectionError):  # a server that was slow for long may end it
            for number in range(FLOOD):
                connection.reset(connection.call(CHAT, request))
                if number % 100 == 0:
                    await connection.drain()
                    largest.append(process.memory_info().rss)

    async with (
        grpc.aio.insecure_channel(new_server.address) as channel,
        http2_connection(new_server.address) as connection,
        asyncio.TaskGroup() as group,
    ):
        await crowd.crowd(channel, crowd.chat, callers=20, each=20)
        largest = [process.memory_info().rss]
        reading = group.create_task(_discard(connection))
        flooding = group.create_task(flood(connection))
        ends: Counter[str] = Counter()
        while not flooding.done():
            ends += await crowd.crowd(channel, crowd.chat, callers=4, each=1)
        ends += await crowd.crowd(channel, crowd.chat, callers=4, each=10)
        largest.append(process.memory_info().rss)
        reading.cancel()

    assert {"OK"} == ends.keys()
    assert max(largest) - largest[0] < MOST_GROWTH_BYTES


async def test_pings_without_a_pause_end_their_connection(server: ServerProcess) -> None:
    async with http2_connection(server.address) as connection:
        for _ in range(4):  # two are forgiven, and the first is none too many
            connection.ping()
        goodbyes = [one.payload async for one in connection.frames() if one.kind == Kind.GOAWAY]

    assert [b"too_many_pings"] == [goodbye[8:] for goodbye in goodbyes]


async def _discard(connection: Http2Connection) -> None:
    async for _ in connection.frames():
        pass
