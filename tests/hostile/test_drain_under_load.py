"""Servers that are stopped in turn under callers that call without a pause: no call is lost."""

import asyncio
import json
import math
import signal
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.fakes.crowd import Call, chat, stream
from tests.fakes.eventually import eventually
from tests.fakes.server_process import ServerProcess, config_file, server_process
from tests.hostile.conftest import Figures

CANNED = {
    "llm": {"providers": {"mock": {"enabled": True}}, "default_provider": "mock"},
    "drain": {"pre_drain_s": 0, "grace_s": 10},
    "server": {"reflection": False},
}
ROUNDS = 10  # in each half: on a busy machine one takes 5 s, and a test 120 s at most
CALLERS = 16
MOST_LOSING = 1
"""Of the drains: a machine that stands still longer than a server waits for quiet has it miss a call.
Without that wait nearly every drain does (ADR-041)."""

# As a client that knows nothing of this server: no retries, no health checks.
OPTIONS = (
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 100),
)


class Restartable:
    """One server that comes back on its port."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._stack = AsyncExitStack()
        self.address = "127.0.0.1:0"
        self.process: ServerProcess

    async def start(self) -> None:
        """Start it, on the port that it had before."""
        tree = {**CANNED, "server": {"reflection": False, "listen": self.address}}
        config = config_file(self._folder, tree)
        self.process = await self._stack.enter_async_context(server_process(config))
        self.address = self.process.address
        assert self.address, self.process.lines

    async def stop(self) -> int:
        """Stop it as Kubernetes does, once it has answered some; return its exit code."""
        await eventually(lambda: len(self.process.events("rpc.finished")) >= CALLERS)
        self.process.send(signal.SIGTERM)
        code = await self.process.exit_code()
        await self._stack.aclose()
        return code

    async def aclose(self) -> None:
        """End it."""
        await self._stack.aclose()


def end_of(error: grpc.aio.AioRpcError) -> str:
    """Return the reason that an error gives; its code, and its text, where it gives none."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # its stub knows sync calls only
    info = error_details_pb2.ErrorInfo()
    if status is not None and status.details[0].Unpack(info):
        return info.reason
    return error.code().name


class Callers:
    """Call without a pause while they may, until told to stop, and count how the calls end."""

    def __init__(self) -> None:
        self.ends: Counter[str] = Counter()
        self.is_over = False
        self.may_call = asyncio.Event()
        self.may_call.set()

    async def call(self, channel: grpc.aio.Channel, kind: Call) -> None:
        """Call until it is over."""
        while not self.is_over:
            await self.may_call.wait()
            try:
                await kind(channel)
            except grpc.aio.AioRpcError as error:
                self.ends[end_of(error)] += 1
            else:
                self.ends["OK"] += 1


@pytest.mark.parametrize("half", ["first half", "second half"])
async def test_no_call_is_lost_where_servers_are_stopped_in_turn(
    tmp_path: Path, figures: Figures, half: str
) -> None:
    servers = [Restartable(tmp_path / name) for name in "ab"]
    callers, codes, losing = Callers(), [], 0
    async with AsyncExitStack() as stack:
        for server in servers:
            stack.push_async_callback(server.aclose)
            await server.start()
        both = "ipv4:" + ",".join(server.address for server in servers)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(both, options=OPTIONS))
        async with asyncio.TaskGroup() as group:
            for number in range(CALLERS):
                group.create_task(callers.call(channel, (chat, stream)[number % 2]))
            for turn in range(ROUNDS):
                before = callers.ends["CANCELLED"]
                codes.append(await servers[turn % 2].stop())
                losing += callers.ends["CANCELLED"] > before
                callers.may_call.clear()  # a start among callers takes its time, and tells nothing
                await servers[turn % 2].start()
                callers.may_call.set()
            callers.is_over = True
    for end, count in callers.ends.items():
        figures(f"{ROUNDS} drains under load, {half}, {end}", count, math.inf, "calls")

    assert [0] * ROUNDS == codes
    assert {"OK", "SERVER_DRAINING", "UNAVAILABLE", "CANCELLED"} >= set(callers.ends)
    assert losing <= MOST_LOSING
