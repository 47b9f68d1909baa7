"""The vendor's own client as an oracle of tools, formats and conversations with calls."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from llmsvc_server.chat.features import (
    ChoiceMode,
    Features,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from llmsvc_server.chat.parts import ToolCall, ToolResult
from llmsvc_server.chat.request import ChatRequest, Message, Role
from llmsvc_server.chat.route import Locality
from llmsvc_server.providers.openai.chat import OpenaiProvider
from tests.fakes.fake_openai import FakeOpenai
from tests.fakes.openai_at import openai_at
from tests.fakes.openai_steps import Script, done, finish, piece, role, token, tool_call, usage
from tests.fakes.requests import chat_request
from tests.fakes.whole_answers import answer_of

MODEL = "gpt-4o"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
FEATURES = Features(
    tools=(
        Tool(
            name="get_weather",
            description="Weather now",
            parameters_json_schema=json.dumps(SCHEMA),
        ),
        Tool(name="get_time"),
    ),
    choice=ToolChoice(mode=ChoiceMode.REQUIRED, single_call=True),
    response_format=ResponseFormat(name="place", json_schema=json.dumps(SCHEMA)),
)
OURS = (
    Message(role=Role.USER, parts=("Weather and time?",)),
    Message(
        role=Role.ASSISTANT,
        parts=(
            ToolCall(id="call_1", name="get_weather", arguments_json='{"city": "Oslo"}'),
            ToolCall(id="call_2", name="get_time", arguments_json="{}"),
        ),
    ),
    Message(role=Role.TOOL, parts=(ToolResult(call_id="call_1", content="11 C"),)),
    Message(role=Role.TOOL, parts=(ToolResult(call_id="call_2", content="noon"),)),
)
THEIRS: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "Weather and time?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'},
            },
            {
                "id": "call_2",
                "type": "function",
                "function": {"name": "get_time", "arguments": "{}"},
            },
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "11 C"},
    {"role": "tool", "tool_call_id": "call_2", "content": "noon"},
]


@pytest.fixture
async def fake() -> AsyncIterator[FakeOpenai]:
    """A server that refuses as the vendor does."""
    async with FakeOpenai(models=(MODEL,), is_openai=True) as server:
        yield server


@pytest.fixture
async def theirs(fake: FakeOpenai) -> AsyncIterator[openai.AsyncOpenAI]:
    """The vendor's client, which asks once."""
    async with openai.AsyncOpenAI(base_url=fake.base_url, api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
async def ours(fake: FakeOpenai) -> AsyncIterator[OpenaiProvider]:
    """The adapter, as for the vendor's own service."""
    async with openai_at(fake.base_url, locality=Locality.REMOTE, is_openai=True) as provider:
        yield provider


async def asked_by_us(provider: OpenaiProvider, features: Features) -> Sequence[ToolCall]:
    request: ChatRequest = replace(
        chat_request(model=MODEL), messages=OURS, features=features, is_plain=False
    )
    parts, _ = await answer_of(provider, request)
    return [part for part in parts if isinstance(part, ToolCall)]


async def test_sends_what_the_vendors_client_sends(
    fake: FakeOpenai, theirs: openai.AsyncOpenAI, ours: OpenaiProvider
) -> None:
    stream = await theirs.chat.completions.create(
        model=MODEL,
        messages=THEIRS,
        stream=True,
        stream_options={"include_usage": True},
        store=False,
        max_tokens=8_192,
        tools=[
            {
                "type": "function",
                "function": {
                    "name": "get_weather",
                    "description": "Weather now",
                    "parameters": SCHEMA,
                    "strict": True,
                },
            },
            {"type": "function", "function": {"name": "get_time"}},
        ],
        tool_choice="required",
        parallel_tool_calls=False,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "place", "schema": SCHEMA, "strict": True},
        },
    )
    async for _ in stream:
        pass
    await asked_by_us(ours, FEATURES)

    [first, second] = fake.chats
    assert json.loads(first.body) == json.loads(second.body)


async def test_names_a_function_as_the_vendors_client_does(
    fake: FakeOpenai, theirs: openai.AsyncOpenAI, ours: OpenaiProvider
) -> None:
    await theirs.chat.completions.create(
        model=MODEL,
        messages=[{"role": "system", "content": "Answer with a JSON object."}, *THEIRS],
        tools=[{"type": "function", "function": {"name": "get_time"}}],
        tool_choice={"type": "function", "function": {"name": "get_time"}},
        response_format={"type": "json_object"},
    )
    choice = ToolChoice(mode=ChoiceMode.REQUIRED, allowed=("get_time",))
    shape = ResponseFormat()
    await asked_by_us(ours, Features(tools=FEATURES.tools, choice=choice, response_format=shape))

    first, second = (json.loads(chat.body) for chat in fake.chats)
    for key in ("messages", "tools", "tool_choice", "response_format"):
        assert first[key] == second[key]


ENDS = (finish("tool_calls"), usage(), done())


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(
            (role(), tool_call("get_weather", '{"city":"Oslo"}', call_id="a"), ENDS), id="one"
        ),
        pytest.param(
            (
                role(),
                token("So:"),
                tool_call("get_weather", '{"city":"Oslo"}', call_id="a", size=1),
                tool_call("get_time", "{}", call_id="b", index=1),
                ENDS,
            ),
            id="two",
        ),
        pytest.param(
            (
                [
                    piece({"tool_calls": [one]})
                    for one in (
                        {
                            "index": 0,
                            "id": "a",
                            "function": {"name": "get_weather", "arguments": ""},
                        },
                        {"index": 1, "id": "b", "function": {"name": "get_time", "arguments": ""}},
                        {"index": 1, "function": {"arguments": "{"}},
                        {"index": 0, "function": {"arguments": '{"city":'}},
                        {"index": 1, "function": {"arguments": "}"}},
                        {"index": 0, "function": {"arguments": '"Oslo"}'}},
                    )
                ],
                ENDS,
            ),
            id="mixed",
        ),
    ],
)
async def test_reads_the_calls_that_the_vendors_client_reads(
    fake: FakeOpenai, theirs: openai.AsyncOpenAI, ours: OpenaiProvider, script: Script
) -> None:
    fake.will(script, times=2)
    async with theirs.chat.completions.stream(model=MODEL, messages=THEIRS) as stream:
        message = (await stream.get_final_completion()).choices[0].message
    read = [
        (call.id, call.function.name, call.function.arguments) for call in message.tool_calls or ()
    ]

    assert read
    assert read == [
        (one.id, one.name, one.arguments_json)
        for one in await asked_by_us(ours, Features(tools=FEATURES.tools))
    ]
