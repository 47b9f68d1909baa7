"""What callers of the service get of tools and formats from a server of kind openai."""

from collections.abc import AsyncIterator

import pytest

from llmsvc.v1 import llm_pb2
from tests.fakes.fake_openai import FakeOpenai
from tests.fakes.openai_steps import done, finish, tool_call, usage
from tests.fakes.requests import chat_message
from tests.fakes.running_service import RunningService, running_service

MODEL = "llama-3"
SCHEMA = '{"type":"object","properties":{"city":{"type":"string","pattern":"^[A-Z]"}}}'
EXACT = '{"city":"Oslo", "n":9007199254740993}'


@pytest.fixture
async def fake() -> AsyncIterator[FakeOpenai]:
    """An engine in the operator's network."""
    async with FakeOpenai(models=(MODEL,)) as server:
        yield server


@pytest.fixture
async def service(fake: FakeOpenai) -> AsyncIterator[RunningService]:
    """The service, with that engine alone."""
    entry = {"kind": "openai", "base_url": fake.base_url, "local": True, "model": MODEL}
    llm = {"providers": {"vllm": entry}, "default_provider": "vllm"}
    async with running_service(llm) as running:
        yield running


def asking() -> llm_pb2.ChatRequest:
    request = chat_message("Weather?")
    function = request.tools.add().function
    function.name, function.parameters_json_schema = "get_weather", SCHEMA
    return request


@pytest.mark.parametrize("size", [3, 100])
async def test_a_tool_goes_round(fake: FakeOpenai, service: RunningService, size: int) -> None:
    fake.will(
        tool_call("get_weather", EXACT, call_id="c1", size=size), finish("stop"), usage(), done()
    )
    request = asking()
    first = await service.stub.Chat(request)
    request.messages.append(first.message)
    result = request.messages.add(role=llm_pb2.ROLE_TOOL).parts.add().tool_result
    result.tool_call_id, result.content = "c1", "11 C"
    second = await service.stub.Chat(request)

    [call] = [part.tool_call for part in first.message.parts]
    assert ("c1", "get_weather", EXACT) == (call.id, call.name, call.arguments_json)
    assert llm_pb2.FINISH_REASON_TOOL_CALLS == first.finish_reason
    assert [("c1", True)] == [(one.tool_call_id, one.conforming) for one in first.output_checks]
    assert ["tools[0].function.parameters_json_schema"] == [
        one.field for one in first.adjustments if one.field.startswith("tools")
    ]
    assert b"pattern" not in fake.chats[0].body
    assert fake.answer == second.message.parts[0].text


async def test_a_stream_brings_a_call_in_pieces(fake: FakeOpenai, service: RunningService) -> None:
    fake.will(
        tool_call("get_weather", EXACT, call_id="c1", size=3), finish("tool_calls"), usage(), done()
    )
    pieces = [
        response.delta.tool_call
        async for response in service.stub.ChatStream(asking())
        if response.HasField("delta")
    ]

    assert ["c1"] == [one.id for one in pieces if one.id]
    assert EXACT == "".join(one.arguments_json for one in pieces)


async def test_an_answer_of_a_format_is_checked(fake: FakeOpenai, service: RunningService) -> None:
    request = chat_message("Where?")
    request.response_format.json_schema.name = "place"
    request.response_format.json_schema.schema_json = SCHEMA
    fake.answer = '{"city":"oslo"}'
    given = await service.stub.Chat(request)

    [check] = given.output_checks
    assert (False, ["pattern"]) == (check.conforming, [one.keyword for one in check.violations])
    assert "place" == fake.chats[0].json["response_format"]["json_schema"]["name"]  # type: ignore[index]
