"""Streams that fail: before their start, in the middle, at their end."""

import asyncio

import grpc
import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_client import (
    ChatStream,
    Client,
    Code,
    DeadlineExceededError,
    OverloadedError,
    StreamInterruptedError,
)
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.gate import Gate
from tests.fakes.scripted_answers import Failing, completed, piece, rich, route, started
from tests.fakes.scripted_service import ScriptedService

INTERRUPTED = rich(
    grpc.StatusCode.ABORTED,
    "STREAM_INTERRUPTED",
    route("second"),
    llm_pb2.Usage(output_tokens=2),
    metadata={"cause": "provider"},
    pushback_ms=-1,
)


async def texts(stream: ChatStream) -> list[str]:
    return [piece.text async for piece in stream]


@pytest.mark.parametrize("shown", [["Hel", "lo"], []])
async def test_a_stream_without_its_last_event_is_an_error(
    service: ScriptedService, client: Client, shown: list[str]
) -> None:
    service.scripts = [[started(), *map(piece, shown)]]

    with pytest.raises(StreamInterruptedError) as caught:
        async with client.stream("hi") as stream:
            await texts(stream)

    assert "".join(shown) == caught.value.partial
    assert "STREAM_INTERRUPTED" == caught.value.reason
    assert "req-1" == caught.value.request_id
    assert not caught.value.retryable


async def test_an_interrupted_stream_keeps_what_arrived(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[started(), piece("secret "), piece("text"), INTERRUPTED]]

    with pytest.raises(StreamInterruptedError) as caught:
        async with client.stream("hi") as stream:
            await texts(stream)

    error = caught.value
    assert "secret text" == error.partial == stream.text
    assert "secret" not in repr(error) + str(error)
    assert error.route is not None
    assert "second" == error.route.provider
    assert error.usage is not None
    assert (None, 2) == (error.usage.input_tokens, error.usage.output_tokens)
    assert {"cause": "provider"} == error.metadata
    assert Code.ABORTED is error.code
    assert isinstance(error.__cause__, grpc.aio.AioRpcError)


async def test_a_lost_connection_after_the_start_is_an_interruption(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[started(), piece("a"), Gate()]]

    async with client.stream("hi") as stream:
        await anext(stream)
        await service.kill()
        with pytest.raises(StreamInterruptedError) as caught:
            await anext(stream)

    assert ("a", False) == (caught.value.partial, caught.value.retryable)
    assert 1 == len(service.calls)


async def test_a_failure_before_the_start_is_not_an_interruption(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[rich(grpc.StatusCode.RESOURCE_EXHAUSTED, "SERVER_OVERLOADED")]]

    with pytest.raises(OverloadedError):
        async with client.stream("hi") as stream:
            await texts(stream)


async def test_a_deadline_after_the_start_is_a_deadline(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[started(), piece("a"), Gate()]]

    with pytest.raises(DeadlineExceededError):
        async with client.stream("hi", timeout_s=0.2) as stream:
            await texts(stream)

    assert "a" == stream.text
    await eventually(lambda: service.ends == ["cancelled"])


async def test_a_bad_status_after_the_last_event_changes_nothing(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [
        [started(), piece("a"), completed(), Failing(grpc.StatusCode.UNAVAILABLE)],
    ]

    async with client.stream("hi") as stream:
        await texts(stream)

    assert "a" == stream.reply.text


async def test_does_not_wait_long_for_a_status_that_never_comes(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[started(), piece("a"), completed(), Gate()]]

    async with asyncio.timeout(PATIENCE_S):
        async with client.stream("hi") as stream:
            await texts(stream)

    assert "a" == stream.reply.text
