"""Requests that take memory before anybody can refuse them, and all of them at once in a pod."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import yaml

from llmsvc_server.config.settings import Settings
from tests.deploy.conftest import BASE
from tests.fakes.crowd import ALONE, chat
from tests.fakes.eventually import eventually
from tests.fakes.requests import chat_message
from tests.hostile.measured_server import MeasuredServer, measured_server
from tests.hostile.unfinished import unfinished

MIB = 2**20
PATIENCE_S = 60
HELD_S = 10
CHAT = "/llmsvc.v1.LLMService/Chat"
LARGEST_BYTES = Settings().limits.max_message_bytes
EMPTY = {
    "messages": b"\x12\x00" * 2_500_000,
    "parts": b"\x12\xc0\x96\xb1\x02" + b"\x12\x00" * 2_500_000,
    "stop sequences": b"\x1a\xc0\x96\xb1\x02" + b"\x52\x00" * 2_500_000,
    "targets": b"\x42\xc0\x96\xb1\x02" + b"\x12\x00" * 2_500_000,
    "unknown fields": b"\x78\x01" * 2_500_000,
}
"""Lists of nothing, of 5,000,000 bytes each."""

BOMB = b"\x42\x80\xc8\xd0\x07" + b"\x12\x00" * 8_000_000
PLAIN = chat_message("x" * (LARGEST_BYTES - 100)).SerializeToString()
WIDE = chat_message("\x01" * (4 * MIB - 4) + "\U0001f600", model="m").SerializeToString()
"""The most that a text can take: four bytes a character, six as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What became of a pod under all of it, and of the calls.

    Attributes:
        is_alive: Whether the server still ran at the end.
        peak_bytes: What was resident at most.
        ends: Codes of those that are refused, by kind.
        held: Codes of the largest requests, whose chats ran.
        given_up: Numbers of the codes of bodies that never came whole.
    """

    is_alive: bool
    peak_bytes: int
    ends: dict[str, Counter[str]]
    held: Counter[str]
    given_up: set[int]


@asynccontextmanager
async def engine_that_reads_nothing() -> AsyncIterator[str]:
    """Yield the address of a server without a list of models, which answers no chat."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"GET"):
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        else:
            await over.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        try:
            yield f"http://{host}:{port}/v1"
        finally:
            over.set()


@asynccontextmanager
async def pod(tmp_path: Path, memory_bytes: int) -> AsyncIterator[MeasuredServer]:
    async with engine_that_reads_nothing() as address:
        providers = {
            "mock": {"enabled": True},
            "engine": {"kind": "openai", "local": True, "base_url": address, "model": "m"},
        }
        llm = {"providers": providers, "default_provider": "mock", "fallback_sequence": ["engine"]}
        async with measured_server(tmp_path, {"llm": llm}, memory_bytes=memory_bytes) as server:
            yield server


async def end_of(
    address: str, request: bytes, *, timeout_s: float = PATIENCE_S, compressed: bool = False
) -> str:
    """Return how a call on a connection of its own ended."""
    compression = grpc.Compression.Gzip if compressed else grpc.Compression.NoCompression
    async with grpc.aio.insecure_channel(address, options=ALONE) as channel:
        connect: Any = channel.unary_unary(CHAT)
        try:
            await connect(request, timeout=timeout_s, compression=compression)
        except grpc.aio.AioRpcError as error:
            return error.code().name
    return "OK"


async def ends_of(address: str) -> dict[str, Counter[str]]:
    """Return how each kind of call ended that was refused, all of them made at once."""
    kinds = {
        "compressed": [end_of(address, BOMB, compressed=True) for _ in range(8)],
        "plain": [end_of(address, PLAIN) for _ in range(40)],
        **{name: [end_of(address, raw) for _ in range(4)] for name, raw in EMPTY.items()},
    }
    async with asyncio.TaskGroup() as group:
        tasks = {name: [group.create_task(call) for call in calls] for name, calls in kinds.items()}
    return {name: Counter(task.result() for task in calls) for name, calls in tasks.items()}


def pod_bytes() -> int:
    """Return the memory that our manifest gives a pod."""
    deployment = yaml.safe_load((BASE / "deployment.yaml").read_text(encoding="utf-8"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    limit: str = container["resources"]["limits"]["memory"]
    return int(limit.removesuffix("Mi")) * MIB


async def mix(folder: Path) -> Mix:
    """Attack a pod with all of it, and ask it something usual in the middle."""
    async with pod(folder, pod_bytes()) as server, asyncio.TaskGroup() as group:
        address = server.address
        running = [group.create_task(end_of(address, WIDE, timeout_s=HELD_S)) for _ in range(12)]
        await eventually(lambda: any(call.done() for call in running), within_s=20)
        async with AsyncExitStack() as stack:
            bodies = [
                await stack.enter_async_context(
                    unfinished(address, CHAT, calls=40, size_bytes=LARGEST_BYTES)
                )
                for _ in range(4)
            ]
            ends = await ends_of(address)
            async with grpc.aio.insecure_channel(address, options=ALONE) as channel:
                await chat(channel)
        held = Counter([await call for call in running])
        return Mix(
            is_alive=server.is_alive,
            peak_bytes=server.memory.peak_bytes,
            ends=ends,
            held=held,
            given_up={code for one in bodies for code in one.codes},
        )
