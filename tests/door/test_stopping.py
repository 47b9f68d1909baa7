"""How a door's server ends, through both."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest

from tests.door.methods import SERVICE
from tests.door.process import Served, channel_to, failure_of, rest_of, served
from tests.fakes.eventually import PATIENCE_S

pytestmark = pytest.mark.parametrize("door", ["aio", "in_loop"])

FAR_S = 20 * PATIENCE_S
"""A grace that nobody waits out."""


async def refused(one: Served) -> grpc.StatusCode:
    """Return the code with which calls are refused, once they are."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await one.call("Echo", b"x")
            except grpc.aio.AioRpcError as error:
                return error.code()


def flood(channel: grpc.aio.Channel) -> Any:  # noqa: ANN401  as `Served.stream`
    """Return what asks for messages of 64 KiB."""
    return channel.unary_stream(f"/{SERVICE}/Flood")


async def test_what_runs_may_end_while_new_calls_go_elsewhere(door: str) -> None:
    async with served(door) as one:
        call = one.to_and_fro("Each")(timeout=PATIENCE_S)
        await call.write(b"before")
        before = await call.read()
        one.stop(FAR_S)
        code = await refused(one)
        await call.write(b"after")
        after = await call.read()
        await call.done_writing()
        rest = await rest_of(call)
        said = await one.said()

    # Whoever calls before it has read that the connection ends is cancelled (ADR-041).
    assert code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert (b"before", b"after", []) == (before, after, rest)
    assert grpc.StatusCode.OK is await call.code()
    assert {"stopped": True} == said


async def test_answers_that_are_being_read_come_whole(door: str) -> None:
    async with served(door) as one, AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(channel_to(one.address)) for _ in range(8)]
        calls = [flood(channel)(b"8", timeout=PATIENCE_S) for channel in channels]
        first = [len(await call.read()) for call in calls]
        one.stop(PATIENCE_S)
        rests = await asyncio.gather(*(rest_of(call) for call in calls))
        said = await one.said()

    assert [65_536] * 8 == first
    assert [7] * 8 == [len(rest) for rest in rests]
    assert {"stopped": True} == said


@pytest.mark.parametrize("grace_s", [None, 0, 0.2])
async def test_what_still_runs_at_the_end_is_cancelled(door: str, grace_s: float | None) -> None:
    async with served(door) as one:
        call = one.stream("WriteAndWait")(b"", timeout=PATIENCE_S)
        assert await call.read() == b"here"
        one.stop(grace_s)
        said = await one.said()
        code = (await failure_of(call)).code()

    assert {"stopped": True} == said
    assert grpc.StatusCode.UNAVAILABLE is code


async def test_a_server_that_nobody_calls_stops_at_once(door: str) -> None:
    async with served(door) as one:
        assert await one.call("Echo", b"x") == b"x"
        one.stop(FAR_S)
        said = await one.said()

    assert {"stopped": True} == said
