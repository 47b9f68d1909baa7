"""Tools for a model whose server says that it has none: known, and told or made up for."""

from collections.abc import AsyncIterator

import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.features import Capability
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.ollama_disk import Model
from tests.fakes.ollama_steps import answer
from tests.fakes.running_service import RunningService, over_ollama, running_service
from tests.fakes.tool_requests import asked
from tests.integration.calling import failure_of, said

MODEL = "phi3:mini"
CALL = '{"action": "call_tools", "calls": [{"name": "get_weather", "arguments": {"city":"Oslo"}}]}'


@pytest.fixture
async def ollama() -> AsyncIterator[FakeOllama]:
    """Serve a model without tools."""
    async with FakeOllama(models=(Model(name=MODEL),), loaded=(MODEL,)) as fake:
        yield fake


@pytest.fixture
async def service(ollama: FakeOllama) -> AsyncIterator[RunningService]:
    """Run the service over it, and wait until it knows what the model can do."""
    async with running_service(over_ollama(ollama)) as running:
        upstream = running.app.providers.upstreams["ollama"]
        needs = frozenset({Capability.TOOLS})
        await eventually(lambda: upstream.missing(MODEL, needs) == needs)
        yield running


async def test_such_a_request_is_not_sent(ollama: FakeOllama, service: RunningService) -> None:
    told = await failure_of(service.stub.Chat(asked()))

    assert ("FAILED_PRECONDITION", "CAPABILITY_UNSUPPORTED") == (told.code, told.reason)
    assert [] == ollama.chats


async def test_it_is_asked_without_tools_where_that_will_do(
    ollama: FakeOllama, service: RunningService
) -> None:
    request = asked()
    request.unsupported_feature_action = llm_pb2.UNSUPPORTED_FEATURE_ACTION_DEGRADE

    reply = await service.stub.Chat(request)

    assert ollama.conversation.answer == said(reply)
    assert ["tools"] == [one.field for one in reply.adjustments]
    assert "tools" not in ollama.chats[0].json


async def test_it_calls_them_where_they_are_imitated(
    ollama: FakeOllama, service: RunningService
) -> None:
    request = asked()
    request.unsupported_feature_action = llm_pb2.UNSUPPORTED_FEATURE_ACTION_EMULATE
    ollama.will(answer(CALL))

    reply = await service.stub.Chat(request)

    [part] = reply.message.parts
    assert ("get_weather", '{"city":"Oslo"}') == (
        part.tool_call.name,
        part.tool_call.arguments_json,
    )
    assert llm_pb2.FINISH_REASON_TOOL_CALLS == reply.finish_reason
    assert "tools" not in ollama.chats[0].json
    assert isinstance(ollama.chats[0].json["format"], dict)
