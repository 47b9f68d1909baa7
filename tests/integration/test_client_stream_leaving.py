"""Leaving a stream, in whatever way, ends the call on the server."""

import asyncio
import gc

import pytest

from llmsvc_client import (
    ChatStream,
    Client,
    Code,
    LlmsvcError,
)
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.scripted_answers import completed, piece, started
from tests.fakes.scripted_service import ScriptedService, Step, interrupted


async def texts(stream: ChatStream) -> list[str]:
    return [piece.text async for piece in stream]


async def test_lets_a_whole_stream_end_by_itself(service: ScriptedService, client: Client) -> None:
    service.scripts = [[started(), piece("a"), completed()]]

    async with client.stream("hi") as stream:
        await texts(stream)

    await eventually(lambda: service.ends == ["ok"])


async def leave_early(client: Client) -> None:
    async with client.stream("hi") as stream:
        async for _ in stream:
            return


async def fail_in_the_loop(client: Client) -> None:
    async with client.stream("hi") as stream:
        async for _ in stream:
            raise ZeroDivisionError


async def read_to_the_end(client: Client) -> None:
    async with client.stream("hi") as stream:
        await texts(stream)


async def test_leaving_the_loop_early_cancels_the_call(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[started(), piece("a"), Gate()]]

    await leave_early(client)

    await eventually(lambda: service.ends == ["cancelled"])


async def test_an_error_in_the_loop_cancels_the_call(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[started(), piece("a"), Gate()]]

    with pytest.raises(ZeroDivisionError):
        await fail_in_the_loop(client)

    await eventually(lambda: service.ends == ["cancelled"])


@pytest.mark.parametrize("before", [[], [started(), piece("a")]], ids=["first", "later"])
async def test_a_cancelled_task_cancels_the_call(
    service: ScriptedService, client: Client, before: list[Step]
) -> None:
    gate = Gate()
    service.scripts = [[*before, gate]]

    with pytest.raises(TimeoutError):
        await interrupted(read_to_the_end(client), at=gate)

    await eventually(lambda: service.ends == ["cancelled"])


async def test_dropping_an_open_stream_cancels_the_call(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[started(), piece("a"), Gate()]]

    stream = await client.stream("hi").__aenter__()
    await anext(stream)
    del stream
    gc.collect()

    await eventually(lambda: service.ends == ["cancelled"])


async def test_a_stream_that_is_never_entered_sends_nothing(
    service: ScriptedService, client: Client
) -> None:
    client.stream("hi")

    service.scripts = [[started(), completed()]]
    async with client.stream("hello") as stream:
        await texts(stream)

    assert 1 == len(service.calls)


async def test_closing_the_client_ends_its_streams_with_an_error(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[started(), piece("a"), Gate()]]

    async def read_on(stream: ChatStream) -> None:
        with pytest.raises(LlmsvcError, match="closed") as caught:
            await anext(stream)
        assert Code.CANCELLED is caught.value.code

    async with client.stream("hi") as stream, asyncio.TaskGroup() as tasks:
        await anext(stream)
        tasks.create_task(read_on(stream))
        await asyncio.sleep(0)
        await client.close()
