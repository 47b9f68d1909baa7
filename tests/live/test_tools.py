"""Tools and formats through the service, with models that call and models that can't."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from llmsvc.v1 import llm_pb2
from tests.contract.told import Told, told
from tests.fakes.eventually import eventually
from tests.fakes.tool_requests import asked, called, function, resulted
from tests.live.service import Service, service
from tests.live.subject import our_own, persons_own
from tests.live.test_schema_wall import HOSTILE
from tests.live.tiny_models import CALLING, ENDLESS, IMITATING, PLAIN

pytestmark = pytest.mark.live

ANSWERED_S = 60.0
FITS = 4_000
"""Characters of a schema that a prompt has room for: each is a token of such a model."""
ARGUMENTS = {"city": "Oslo"}


def asking(model: str, *messages: llm_pb2.Message) -> llm_pb2.ChatRequest:
    request = asked(*messages)
    request.model = model
    return request


async def failure_of(served: Service, request: llm_pb2.ChatRequest) -> Told:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await served.chat(request, within_s=ANSWERED_S)
    return told(failed.value)


@pytest.mark.usefixtures("scripted")
async def test_a_model_calls_a_tool(served: Service) -> None:
    answer = await served.chat(asking(CALLING.name), within_s=ANSWERED_S)

    [part] = answer.message.parts
    assert "get_weather" == part.tool_call.name
    assert ARGUMENTS == json.loads(part.tool_call.arguments_json)
    assert part.tool_call.id
    assert llm_pb2.FINISH_REASON_TOOL_CALLS == answer.finish_reason
    assert [True] == [check.conforming for check in answer.output_checks]
    assert not answer.adjustments


@pytest.mark.usefixtures("scripted")
async def test_a_call_is_streamed(served: Service) -> None:
    streamed = await served.stream(asking(CALLING.name), within_s=ANSWERED_S)

    assert "started" == streamed.kinds[0]
    assert "" == streamed.text
    assert llm_pb2.FINISH_REASON_TOOL_CALLS == streamed.completed.finish_reason


@pytest.mark.usefixtures("scripted")
async def test_a_history_of_calls_is_taken(served: Service) -> None:
    history = (called("c1"), resulted("c1", "11 C"))

    answer = await served.chat(asking(CALLING.name, *history), within_s=ANSWERED_S)

    [part] = answer.message.parts
    assert part.tool_call.id not in {"", "c1"}


@pytest.mark.usefixtures("scripted")
async def test_a_model_without_tools_is_known_as_one(served: Service) -> None:
    request = asking(PLAIN.name)
    failure = await failure_of(served, request)
    request.unsupported_feature_action = llm_pb2.UNSUPPORTED_FEATURE_ACTION_DEGRADE
    answer = await served.chat(request, within_s=ANSWERED_S)

    assert "CAPABILITY_UNSUPPORTED" == failure.reason
    assert PLAIN.script.text == "".join(part.text for part in answer.message.parts)
    assert ["tools"] == [one.field for one in answer.adjustments]


@pytest.mark.usefixtures("scripted")
async def test_a_model_without_tools_calls_them_all_the_same(served: Service) -> None:
    request = asking(IMITATING.name)
    request.unsupported_feature_action = llm_pb2.UNSUPPORTED_FEATURE_ACTION_EMULATE

    answer = await served.chat(request, within_s=ANSWERED_S)

    [part] = answer.message.parts
    assert "get_weather" == part.tool_call.name
    assert ARGUMENTS == json.loads(part.tool_call.arguments_json)


class OtherCaller:
    """One who streams the same model again and again, and must not notice anybody else."""

    def __init__(self) -> None:
        """Have heard nothing."""
        self.words = 0
        self.failures: list[str] = []

    async def go_on(self, served: Service, model: str) -> None:
        """Stream for ever."""
        request = llm_pb2.ChatRequest(model=model)
        request.messages.add(role=llm_pb2.ROLE_USER).parts.add(text="go on")
        while True:
            try:
                async for event in served.stub.ChatStream(request, timeout=600):
                    self.words += bool(event.delta.text)
            except grpc.aio.AioRpcError as error:
                self.failures.append(told(error).reason)
                return


@asynccontextmanager
async def going_on(served: Service, *models: str) -> AsyncIterator[list[OtherCaller]]:
    """Let one caller stream each of some models; each has some words when this begins."""
    callers = [OtherCaller() for _ in models]
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(caller.go_on(served, model))
            for caller, model in zip(callers, models, strict=True)
        ]
        await eventually(lambda: all(one.words for one in callers), within_s=ANSWERED_S)
        yield callers
        for task in tasks:
            task.cancel()


async def test_no_schema_of_one_caller_harms_another(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    if persons_own() is not None:
        pytest.skip("not with a person's own")
    async with (
        our_own(tmp_path_factory.mktemp("ollama"), slots=2) as subject,
        service(
            tmp_path_factory.mktemp("llmsvc"),
            subject.base_url,
            model=ENDLESS.name,
            max_in_flight_per_model=2,
        ) as served,
        going_on(served, ENDLESS.name, CALLING.name) as others,
    ):
        assert subject.process is not None
        engines = subject.process.engines()
        for name, schema in HOSTILE.items():
            text = json.dumps(schema)
            shaped = llm_pb2.ChatRequest(model=ENDLESS.name)
            shaped.messages.add(role=llm_pb2.ROLE_USER).parts.add(text="hi")
            shaped.response_format.json_schema.schema_json = text
            shaped.generation_config.max_output_tokens = 5
            answer = await served.chat(shaped, within_s=ANSWERED_S)
            assert answer.output_checks, name
            calling = llm_pb2.ChatRequest(model=CALLING.name, messages=shaped.messages)
            wrapped = json.dumps({"type": "object", "properties": {"city": {}, "x": schema}})
            calling.tools.append(function(schema=wrapped))
            if len(wrapped) < FITS:
                await served.chat(calling, within_s=ANSWERED_S)
        heard = [caller.words for caller in others]
        await eventually(
            lambda: all(one.words > then for one, then in zip(others, heard, strict=True)),
            within_s=ANSWERED_S,
        )

        assert engines == subject.process.engines()
        assert [[], []] == [caller.failures for caller in others]
