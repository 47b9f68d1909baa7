"""Streams that tell what they wait for, over a real server that follows a script."""

import asyncio

import grpc
import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_client import (
    BlockingClient,
    Client,
    Phase,
    Piece,
    Progress,
    Target,
    UnavailableError,
)
from tests.fakes.eventually import PATIENCE_S
from tests.fakes.gate import Gate
from tests.fakes.scripted_answers import completed, piece, progress, rich, started
from tests.fakes.scripted_service import ScriptedService

LOADING = progress(llm_pb2.StreamProgress.PHASE_LOADING_MODEL, 5, "ollama")
GENERATING = progress(llm_pb2.StreamProgress.PHASE_GENERATING, 15, "ollama")
HELLO = [LOADING, started(), piece("Hel"), GENERATING, piece("lo"), completed()]


async def test_a_loop_over_texts_is_right_with_signs_of_life(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [HELLO]

    async with client.stream("hi", progress_interval_s=5) as stream:
        text = "".join([item.text async for item in stream])

    assert "Hello" == text == stream.text == stream.reply.text
    assert 5 == service.calls[0].request.stream_options.progress_interval.seconds


async def test_signs_of_life_come_in_their_place(service: ScriptedService, client: Client) -> None:
    service.scripts = [HELLO]

    async with client.stream("hi", progress_interval_s=5) as stream:
        items = [item async for item in stream]

    assert [Progress, Piece, Progress, Piece] == [type(item) for item in items]
    assert isinstance(items[0], Progress)
    assert (Phase.LOADING_MODEL, 5, Target("ollama", "phi3:mini")) == (
        items[0].phase,
        items[0].elapsed_s,
        items[0].target,
    )


async def test_a_sign_of_life_comes_while_the_answer_is_awaited(
    service: ScriptedService, client: Client
) -> None:
    gate = Gate()
    service.scripts = [[LOADING, gate, *HELLO[1:]]]

    async with asyncio.timeout(PATIENCE_S), client.stream("hi", progress_interval_s=5) as stream:
        first = await anext(stream)

        assert isinstance(first, Progress)
        assert stream.route is None


async def test_a_failure_after_a_sign_of_life_is_no_interruption(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [
        [LOADING, rich(grpc.StatusCode.UNAVAILABLE, "MODEL_LOADING", pushback_ms=100)]
    ]

    with pytest.raises(UnavailableError) as caught:
        async with client.stream("hi", progress_interval_s=5) as stream:
            _ = [item async for item in stream]

    assert ("MODEL_LOADING", True) == (caught.value.reason, caught.value.retryable)
    assert 1 == len(service.calls)


async def test_the_blocking_stream_gives_them_too(service: ScriptedService) -> None:
    service.scripts = [HELLO]

    def ask() -> list[type]:
        with (
            BlockingClient(service.address) as client,
            client.stream("hi", progress_interval_s=5) as stream,
        ):
            return [type(item) for item in stream]

    assert [Progress, Piece, Progress, Piece] == await asyncio.to_thread(ask)
