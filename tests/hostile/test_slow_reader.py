"""Callers that ask and do not read: bounded memory, and the others are answered."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import grpc

from llmsvc_server.config.memory import HELD_FACTOR
from llmsvc_server.config.settings import Settings
from llmsvc_server.rpc.server import LLM_SERVICE
from tests.fakes.crowd import chat, crowd
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.http2_connection import Http2Connection, http2_connection
from tests.fakes.ollama_steps import Script, done, silent, token
from tests.fakes.requests import chat_message
from tests.hostile.conftest import Figures
from tests.hostile.measured_server import MeasuredServer, measured_server

MIB = 2**20
PIECE = token("x" * 65_536)
MOST_MIB = Settings().limits.max_held_bytes * HELD_FACTOR / MIB

REQUEST = chat_message("slow").SerializeToString()


@asynccontextmanager
async def served(
    folder: Path, *script: Script, places: int, **limits: float
) -> AsyncIterator[MeasuredServer]:
    """Run a server over an Ollama that answers those who do not read by `script`."""
    async with FakeOllama(models=("phi3:mini",), loaded=("phi3:mini",)) as fake:
        fake.will(*script, when=lambda one: b"slow" in one.body, times=10_000)
        entry = {
            "base_url": fake.base_url,
            "model": "phi3:mini",
            "max_in_flight_per_model": places,
            "max_queued": 1_000,
        }
        tree = {
            "llm": {"providers": {"ollama": entry}, "default_provider": "ollama"},
            "limits": {"max_output_tokens": 100_000, **limits},
        }
        async with (
            measured_server(folder, tree) as server,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            assert {"OK": 4} == await crowd(channel, chat, callers=4, each=1)
            yield server
            assert {"OK": 4} == await crowd(channel, chat, callers=4, each=1)


@asynccontextmanager
async def unread(address: str) -> AsyncIterator[Http2Connection]:
    """Connect, answer pings, and never say that there is room for more."""

    async def acknowledge(connection: Http2Connection) -> None:
        async for _ in connection.frames():
            pass

    async with http2_connection(address) as connection, asyncio.TaskGroup() as group:
        acknowledging = group.create_task(acknowledge(connection))
        yield connection
        acknowledging.cancel()


def ends(server: MeasuredServer) -> Counter[str]:
    """Return how the calls so far ended: status and what lies behind it."""
    lines = server.process.events("rpc.finished")
    return Counter(f"{line['code']} {line.get('cause', '')}".strip() for line in lines)


def has_ended(server: MeasuredServer, calls: int) -> bool:
    """Return whether so many calls have."""
    return ends(server).total() == calls


async def test_unread_answers_are_held_up_to_a_limit(tmp_path: Path, figures: Figures) -> None:
    answers = 60
    async with (
        served(tmp_path, [PIECE] * 126, done(), places=4) as server,
        unread(server.address) as connection,
    ):
        before = server.memory.resident_bytes
        for _ in range(answers):
            connection.call(f"/{LLM_SERVICE}/Chat", REQUEST)
        await eventually(lambda: has_ended(server, answers + 4), within_s=60)
        held = (server.memory.resident_bytes - before) / MIB

        figures("60 unread answers of 8 MiB, more resident", held, MOST_MIB, "MiB")
        assert {"OK", "RESOURCE_EXHAUSTED"} == set(ends(server))
        assert held <= MOST_MIB


async def test_unread_streams_are_given_up_and_counted(tmp_path: Path, figures: Figures) -> None:
    connections, each = 6, 100
    limits = {"write_timeout_s": 0.2, "max_held_bytes": 16 * MIB}
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            served(tmp_path, [PIECE] * 4, silent(), places=100, **limits)
        )
        before = server.memory.resident_bytes
        async with AsyncExitStack() as callers:
            for number in range(connections):
                connection = await callers.enter_async_context(unread(server.address))
                for _ in range(each):
                    connection.call(f"/{LLM_SERVICE}/ChatStream", REQUEST)
                over = each * (number + 1) + 4
                await eventually(partial(has_ended, server, over), within_s=60)
            held = (server.memory.resident_bytes - before) / MIB

        figures("600 unread streams, more resident", held, 96, "MiB")
        assert {"OK", "ABORTED slowReader", "RESOURCE_EXHAUSTED"} == set(ends(server))
        assert held <= 96
