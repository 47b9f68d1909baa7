"""All ways to ask send all options alike, over a real server that follows a script."""

import asyncio
from typing import Unpack

import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_client import (
    BlockingClient,
    ChatOptions,
    Client,
    Privacy,
    ResponseFormat,
    Sampling,
    StreamOptions,
    Target,
    Tool,
    ToolChoice,
    ToolMode,
    Unsupported,
)
from tests.fakes.scripted_answers import completed, response, started
from tests.fakes.scripted_service import ScriptedService

ALL: ChatOptions = {
    "system": "be brief",
    "model": "phi3:mini",
    "sampling": Sampling(temperature=0),
    "tools": [Tool("get_weather", {"type": "object"}, "Tells it.", conformance_required=True)],
    "tool_choice": ToolChoice(mode=ToolMode.REQUIRED, allowed=["get_weather"], single_call=True),
    "response_format": ResponseFormat({"type": "object"}, "person", conformance_required=True),
    "on_unsupported": Unsupported.EMULATE,
    "privacy": Privacy.LOCAL_ONLY,
    "targets": [Target("ollama")],
    "fallback": False,
    "timeout_s": 30,
    "request_id": "mine-1",
}
Seen = tuple[llm_pb2.ChatRequest, object, bool]


async def seen(service: ScriptedService, client: Client, **options: Unpack[ChatOptions]) -> Seen:
    """Return what arrives of a chat: the request, its id, and whether it has a deadline."""
    service.scripts = [[response("Hello")]]
    await client.chat("hi", **options)
    call = service.calls[-1]
    return call.request, call.metadata.get("x-request-id"), call.time_remaining_s is not None


def ask_blocking(address: str, options: ChatOptions) -> None:
    with BlockingClient(address) as client:
        client.chat("hi", **options)
        with client.stream("hi", **options) as stream:
            _ = list(stream)


async def test_whole_and_streamed_answers_are_asked_for_alike_blocking_or_not(
    service: ScriptedService, client: Client
) -> None:
    stream_script = [started(), completed()]
    service.scripts = [[response("Hello")], stream_script, [response("Hello")], stream_script]

    await client.chat("hi", **ALL)
    async with client.stream("hi", **ALL) as stream:
        _ = [item async for item in stream]
    await asyncio.to_thread(ask_blocking, service.address, ALL)

    first, *others = service.calls
    assert [first.request] * 3 == [call.request for call in others]
    assert ["mine-1"] * 4 == [call.metadata["x-request-id"] for call in service.calls]
    assert [pytest.approx(30, abs=5)] * 4 == [call.time_remaining_s for call in service.calls]


@pytest.mark.parametrize("option", sorted(ChatOptions.__optional_keys__))
async def test_each_option_alone_is_sent(
    service: ScriptedService, client: Client, option: str
) -> None:
    alone: ChatOptions = {option: ALL[option]}  # type: ignore[misc]  # by its name

    assert await seen(service, client) != await seen(service, client, **alone)


async def test_both_streams_ask_for_signs_of_life(service: ScriptedService, client: Client) -> None:
    service.scripts = [[started(), completed()]]
    options: StreamOptions = {"progress_interval_s": 5}

    def ask() -> None:
        with BlockingClient(service.address) as blocking, blocking.stream("hi", **options) as one:
            _ = list(one)

    async with client.stream("hi", **options) as stream:
        _ = [item async for item in stream]
    await asyncio.to_thread(ask)

    intervals = [call.request.stream_options.progress_interval for call in service.calls]
    assert [5, 5] == [interval.seconds for interval in intervals]
