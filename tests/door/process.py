"""A server of this folder in a process of its own: a client beside the in-loop door would take its events."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc

from llmsvc_server.cli import GRPC_PRESETS
from tests.door.methods import SERVICE
from tests.fakes.eventually import PATIENCE_S

ROOT = Path(__file__).parents[2]
LOOK_S = 0.01
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A door's server, and a channel to it."""

    process: Process
    door: str
    why: str
    addresses: list[str]
    channel: grpc.aio.Channel

    @property
    def address(self) -> str:
        """Of the first listener, "host:port"."""
        return self.addresses[0]

    async def call(self, method: str, request: bytes = b"", **options: Any) -> bytes:  # noqa: ANN401
        """Call a method with one answer."""
        return bytes(await self.unary(method)(request, **{"timeout": PATIENCE_S, **options}))

    def unary(self, method: str) -> Any:  # noqa: ANN401  grpc.aio's own, without messages
        """Return what calls a method with one answer."""
        return self.channel.unary_unary(f"/{SERVICE}/{method}")

    def stream(self, method: str) -> Any:  # noqa: ANN401  as above
        """Return what calls a method with many answers."""
        return self.channel.unary_stream(f"/{SERVICE}/{method}")

    def to_and_fro(self, method: str) -> Any:  # noqa: ANN401  as above
        """Return what calls a method with many requests and answers."""
        return self.channel.stream_stream(f"/{SERVICE}/{method}")

    def requests(self, method: str) -> Any:  # noqa: ANN401  as above
        """Return what calls a method with many requests, or none, and one answer."""
        return self.channel.stream_unary(f"/{SERVICE}/{method}")

    async def seen(self) -> dict[str, dict[str, int]]:
        """Return what runs there, and what ended how."""
        seen: dict[str, dict[str, int]] = json.loads(await self.call("Seen"))
        return seen

    async def counted(self, kind: str, name: str) -> int:
        """Return how many of a method are "running", have "passed", have "ended", are "held"."""
        return (await self.seen())[kind].get(name, 0)

    async def until(self, kind: str, name: str, count: int) -> None:
        """Return once `counted` says so many, and no other number."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if await self.counted(kind, name) == count:
                    return
                await asyncio.sleep(LOOK_S)

    def stop(self, grace_s: float | None) -> None:
        """Tell its first server to stop."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(grace_s).encode() + b"\n")

    async def said(self) -> dict[str, object]:
        """Return the next that it says."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            line = await self.process.stdout.readline()
        facts: dict[str, object] = json.loads(line or b"{}")
        return facts


def channel_to(address: str) -> grpc.aio.Channel:
    """Return a channel with a connection of its own, which takes messages of any size."""
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1))
    return grpc.aio.insecure_channel(address, options)


def unary(channel: grpc.aio.Channel, name: str) -> Any:  # noqa: ANN401  as `Served.unary`
    """Return what calls a method by its full name."""
    return channel.unary_unary(name)


async def rest_of(call: Any) -> list[bytes]:  # noqa: ANN401  as `Served.stream`
    """Return the messages of a stream that have not been read."""
    messages = []
    while (message := await call.read()) is not grpc.aio.EOF:
        messages.append(message)
    return messages


async def failure_of(call: Any) -> grpc.aio.AioRpcError:  # noqa: ANN401  as above
    """Return how a stream fails.

    Raises:
        AssertionError: It does not.
    """
    try:
        await rest_of(call)
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("it did not fail")


@asynccontextmanager
async def served(wish: str, environ: Mapping[str, str] = NOTHING) -> AsyncIterator[Served]:
    """Serve through the door that is wished; stop in the end, at once."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "faulthandler", "-W", "error", "-m", "tests.door.served", wish),
        cwd=ROOT,
        env={**os.environ, **GRPC_PRESETS, **environ},
        stdin=PIPE,
        stdout=PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            facts = json.loads(await process.stdout.readline() or b"{}")
        async with channel_to(facts["addresses"][0]) as channel:
            yield Served(
                process=process,
                door=facts["door"],
                why=facts["why"],
                addresses=facts["addresses"],
                channel=channel,
            )
        process.stdin.close()  # it may have stopped already
        async with asyncio.timeout(PATIENCE_S):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
