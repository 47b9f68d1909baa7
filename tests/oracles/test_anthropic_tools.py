"""The vendor's own client as an oracle of tools, formats and conversations with calls."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import anthropic
import pytest
from anthropic.types import MessageParam

from llmsvc_server.chat.features import (
    ChoiceMode,
    Features,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from llmsvc_server.chat.parts import ToolCall, ToolResult
from llmsvc_server.chat.request import Message, Role
from llmsvc_server.providers.anthropic.formats import shape_of
from tests.fakes.anthropic_adapter import MODEL, anthropic_at
from tests.fakes.anthropic_checks import VERSION
from tests.fakes.anthropic_steps import (
    Script,
    block_start,
    block_stop,
    finish,
    message_start,
    start,
    tokens,
    tool_use,
)
from tests.fakes.fake_anthropic import KEY, FakeAnthropic
from tests.fakes.requests import chat_request
from tests.fakes.whole_answers import answer_of

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
            conformance_required=True,
        ),
        Tool(name="get_time"),
    ),
    choice=ToolChoice(mode=ChoiceMode.REQUIRED, single_call=True),
    response_format=ResponseFormat(json_schema=json.dumps(SCHEMA)),
)
OURS = (
    Message(role=Role.USER, parts=("Weather and time?",)),
    Message(
        role=Role.ASSISTANT,
        parts=(
            "Let me see.",
            ToolCall(id="toolu_1", name="get_weather", arguments_json='{"city": "Oslo"}'),
            ToolCall(id="toolu_2", name="get_time", arguments_json="{}"),
        ),
    ),
    Message(role=Role.TOOL, parts=(ToolResult(call_id="toolu_1", content="11 C"),)),
    Message(role=Role.TOOL, parts=(ToolResult(call_id="toolu_2", content="no", failed=True),)),
    Message(role=Role.USER, parts=("So?",)),
)
THEIRS: list[MessageParam] = [
    {"role": "user", "content": [{"type": "text", "text": "Weather and time?"}]},
    {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "Let me see."},
            {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Oslo"}},
            {"type": "tool_use", "id": "toolu_2", "name": "get_time", "input": {}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "11 C"},
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": "no", "is_error": True},
            {"type": "text", "text": "So?"},
        ],
    },
]


@pytest.fixture
async def fake() -> AsyncIterator[FakeAnthropic]:
    """A server that refuses as the vendor does."""
    async with FakeAnthropic(models=(MODEL,)) as server:
        yield server


@pytest.fixture
async def theirs(fake: FakeAnthropic) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """The vendor's client, which asks once."""
    async with anthropic.AsyncAnthropic(
        base_url=fake.base_url, api_key=KEY, max_retries=0
    ) as client:
        yield client


async def asked_by_us(
    fake: FakeAnthropic, features: Features, messages: tuple[Message, ...] = OURS
) -> Sequence[ToolCall]:
    request = replace(
        chat_request(model=MODEL), messages=messages, features=features, is_plain=False
    )
    async with anthropic_at(fake.base_url) as provider:
        parts, _ = await answer_of(provider, request)
    return [part for part in parts if isinstance(part, ToolCall)]


@pytest.mark.parametrize("is_one", [False, True])
async def test_sends_what_the_vendors_client_sends(
    fake: FakeAnthropic, theirs: anthropic.AsyncAnthropic, *, is_one: bool
) -> None:
    time: anthropic.types.ToolParam = {"name": "get_time", "input_schema": {"type": "object"}}
    weather: anthropic.types.ToolParam = {
        "name": "get_weather",
        "description": "Weather now",
        "input_schema": SCHEMA,
        "strict": True,
    }
    _ = await theirs.messages.create(
        model=MODEL,
        max_tokens=8_192,
        messages=THEIRS,
        stream=True,
        tools=[time] if is_one else [weather, time],
        tool_choice={"type": "tool", "name": "get_time"}
        if is_one
        else {"type": "any", "disable_parallel_tool_use": True},
        output_config={"format": {"type": "json_schema", "schema": SCHEMA}},
        extra_headers={"anthropic-version": VERSION},
    )
    only = ToolChoice(mode=ChoiceMode.REQUIRED, allowed=("get_time",))
    await asked_by_us(fake, replace(FEATURES, choice=only) if is_one else FEATURES)

    first, second = (json.loads(chat.body) for chat in fake.chats)
    assert {**first, "temperature": second.get("temperature")} == {"temperature": None, **second}


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(
            (
                message_start(),
                tool_use("get_weather", '{"city"', ':"Oslo"}', index=0),
                finish("tool_use"),
            ),
            id="one",
        ),
        pytest.param(
            (
                start(),
                tokens(2),
                block_stop(),
                tool_use("get_weather", '{"city":"Oslo"}'),
                tool_use("get_time", call_id="toolu_2", index=2),
                finish("tool_use"),
            ),
            id="text, and two, one of them without arguments",
        ),
        pytest.param(
            (
                message_start(),
                block_start("tool_use", id="toolu_1", name="get_weather", input={"city": "Oslo"}),
                finish("tool_use"),
            ),
            id="at once",
        ),
    ],
)
async def test_reads_the_calls_that_the_vendors_client_reads(
    fake: FakeAnthropic, theirs: anthropic.AsyncAnthropic, script: Script
) -> None:
    fake.will(script, times=2)
    async with theirs.messages.stream(model=MODEL, max_tokens=9, messages=THEIRS[:1]) as stream:
        message = await stream.get_final_message()
    read = [(one.id, one.name, one.input) for one in message.content if one.type == "tool_use"]

    assert read
    assert read == [
        (one.id, one.name, json.loads(one.arguments_json))
        for one in await asked_by_us(fake, Features(tools=FEATURES.tools), OURS[:1])
    ]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"n": {"type": "array", "items": {"type": "null"}}}},
        {
            "type": "object",
            "properties": {
                "n": {"anyOf": [{"type": "string"}, {"type": "object", "properties": {}}]},
                "kind": {"enum": ["a", "b"]},
            },
            "required": ["n"],
        },
    ],
)
def test_says_of_a_schema_what_the_vendors_client_says(schema: dict[str, object]) -> None:
    assert anthropic.transform_schema(schema) == shape_of(json.dumps(schema)).schema
