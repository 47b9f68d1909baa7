"""One host calls without end; others wait hardly longer than without it, and none is refused."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from statistics import fmean

import grpc
import pytest

from llmsvc.v1 import llm_pb2_grpc
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.hosts import channel_from
from tests.fakes.ollama_stage import Stage
from tests.fakes.ollama_steps import answer
from tests.fakes.requests import chat_message
from tests.fakes.running_service import over_ollama
from tests.hostile.conftest import Figures
from tests.hostile.measured_server import measured_server

GREEDY = "127.0.0.2"
CALLS = 200
FAIR = [f"127.0.0.{number}" for number in range(3, 9)]
EACH = 9
ANSWER_S = 0.03
RETRY_S = 1.0
PATIENCE_S = 60
MOST_RATIO = 2
TRIES = 3
"""What one host does to others it does every time, a neighbour of this machine does not."""


async def takes_a_while(_stage: Stage) -> None:
    """Be as slow as a model."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(ANSWER_S, over.set)
    await over.wait()


async def chat(channel: grpc.aio.Channel, ends: Counter[str]) -> float:
    """Ask once; return how long that took, in seconds."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    try:
        await llm_pb2_grpc.LLMServiceStub(channel).Chat(chat_message(), timeout=PATIENCE_S)
    except grpc.aio.AioRpcError as error:
        ends[error.code().name] += 1
    else:
        ends["OK"] += 1
    return loop.time() - began_s


async def asks_on(channel: grpc.aio.Channel, ends: Counter[str], over: asyncio.Event) -> None:
    """Ask again and again until it is over, after a refusal as soon as that allows."""
    while not over.is_set():
        before = ends["OK"]
        await chat(channel, ends)
        if ends["OK"] == before:
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S):
                    await over.wait()


async def fair_waits(channels: Sequence[grpc.aio.Channel], ends: Counter[str]) -> list[float]:
    """Let each fair host make its calls, one after the other; return how long they took."""

    async def host(channel: grpc.aio.Channel) -> list[float]:
        return [await chat(channel, ends) for _ in range(EACH)]

    return [one for waits in await asyncio.gather(*map(host, channels)) for one in waits]


@asynccontextmanager
async def greedy(channel: grpc.aio.Channel) -> AsyncIterator[Counter[str]]:
    """Call without end while the block runs."""
    ends: Counter[str] = Counter()
    async with asyncio.TaskGroup() as group:
        over = asyncio.Event()
        for _ in range(CALLS):
            group.create_task(asks_on(channel, ends, over))
        await eventually(lambda: ends["RESOURCE_EXHAUSTED"] >= CALLS - 65)  # one runs, 64 wait
        yield ends
        over.set()


@pytest.mark.alone
async def test_fair_callers_hardly_notice_a_greedy_one(tmp_path: Path, figures: Figures) -> None:
    alone_ends: Counter[str] = Counter()
    beside_ends: Counter[str] = Counter()
    async with AsyncExitStack() as stack:
        fake = await stack.enter_async_context(FakeOllama(models=("phi3:mini",), num_parallel=8))
        fake.will(takes_a_while, answer("done"), times=99_999)
        tree = {"llm": over_ollama(fake)}
        server = await stack.enter_async_context(measured_server(tmp_path, tree))
        hosts = [
            await stack.enter_async_context(channel_from(host, server.address)) for host in FAIR
        ]
        ours = await stack.enter_async_context(channel_from(GREEDY, server.address))
        ratios: list[float] = []
        while not ratios or (min(ratios) > MOST_RATIO and len(ratios) < TRIES):
            alone_s = await fair_waits(hosts, alone_ends)
            async with greedy(ours) as ends:
                beside_s = await fair_waits(hosts, beside_ends)
            ratios.append(fmean(beside_s) / fmean(alone_s))
            assert {"OK", "RESOURCE_EXHAUSTED"} == ends.keys()
        calls = len(ratios) * len(FAIR) * EACH
        refused = calls - beside_ends["OK"]
        figures("fair calls refused beside a greedy host", refused, 0, f"of {calls}")
        figures("fair callers' wait beside a greedy host", min(ratios), MOST_RATIO, "times alone")

        assert {"OK": calls} == alone_ends == beside_ends
        assert min(ratios) <= MOST_RATIO
        assert server.is_alive
