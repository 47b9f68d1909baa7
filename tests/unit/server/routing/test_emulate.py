"""Requests rewritten for models that can't do what is asked."""

import json
from typing import Any

import pytest

from llmsvc_server.chat.features import (
    NO_FEATURES,
    Capability,
    ChoiceMode,
    Features,
    ResponseFormat,
    Tool,
    ToolChoice,
    UnsupportedAction,
)
from llmsvc_server.chat.parts import Part, ToolCall, ToolResult
from llmsvc_server.chat.request import ChatRequest, Delivery, Message, Role, Sampling
from llmsvc_server.routing.emulate import emulate_format, emulate_tools

WEATHER = Tool(
    name="get_weather",
    description="Tells the weather",
    parameters_json_schema='{"type":"object","properties":{"city":{"type":"string"}}}',
)
CLOCK = Tool(name="now")


def request(*messages: tuple[Role, Part], **features: Any) -> ChatRequest:  # noqa: ANN401  fields of Features
    turns = messages or ((Role.USER, "Weather in Oslo?"),)
    return ChatRequest(
        model="m",
        messages=tuple(Message(role=role, parts=(part,)) for role, part in turns),
        sampling=Sampling(),
        delivery=Delivery.STREAM,
        features=Features(**features),
        is_plain=False,
    )


def told(asked: ChatRequest) -> list[tuple[Role, str]]:
    return [(one.role, one.text) for one in asked.messages]


def schema_of(asked: ChatRequest) -> dict[str, Any]:
    shape = asked.features.response_format
    assert shape is not None
    schema: dict[str, Any] = json.loads(shape.json_schema)
    return schema


def test_tools_are_declared_behind_the_callers_own_instructions() -> None:
    asked = emulate_tools(
        request((Role.SYSTEM, "Be kind."), (Role.USER, "Hi"), tools=(WEATHER, CLOCK)), None
    )

    (first, own), (second, ours), (third, hi) = told(asked)
    assert [Role.SYSTEM, Role.SYSTEM, Role.USER] == [first, second, third]
    assert ["Be kind.", "Hi"] == [own, hi]
    for word in ("get_weather", "Tells the weather", WEATHER.parameters_json_schema, '"now"'):
        assert word in ours
    assert asked.is_plain
    assert asked.features is NO_FEATURES


def test_the_answer_is_held_to_these_calls_or_an_answer() -> None:
    schema = schema_of(emulate_tools(request(tools=(WEATHER, CLOCK)), Capability.JSON_SCHEMA))

    calls, answer = schema["anyOf"]
    assert {"const": "call_tools"} == calls["properties"]["action"]
    names = [
        one["properties"]["name"]["const"] for one in calls["properties"]["calls"]["items"]["anyOf"]
    ]
    assert ["get_weather", "now"] == names
    assert {"type": "string"} == answer["properties"]["answer"]


def test_one_that_must_call_has_no_answer_to_give() -> None:
    choice = ToolChoice(mode=ChoiceMode.REQUIRED, allowed=("now",), single_call=True)
    asked = emulate_tools(request(tools=(WEATHER, CLOCK), choice=choice), Capability.JSON_SCHEMA)

    schema = schema_of(asked)
    assert "anyOf" not in schema
    calls = schema["properties"]["calls"]
    assert 1 == calls["maxItems"]
    assert ["now"] == [one["properties"]["name"]["const"] for one in calls["items"]["anyOf"]]
    assert "get_weather" not in told(asked)[0][1]


def test_an_answer_beside_tools_keeps_its_format() -> None:
    shape = ResponseFormat(json_schema='{"type":"object","properties":{"name":{"type":"string"}}}')
    asked = emulate_tools(request(tools=(CLOCK,), response_format=shape), Capability.JSON_SCHEMA)

    _, answer = schema_of(asked)["anyOf"]
    assert json.loads(shape.json_schema) == answer["properties"]["answer"]
    assert shape.json_schema in told(asked)[0][1]


def test_objects_at_least_where_a_schema_is_too_much() -> None:
    asked = emulate_tools(request(tools=(CLOCK,)), Capability.JSON_OBJECT)

    assert ResponseFormat(name="reply", is_told=True) == asked.features.response_format


def test_earlier_calls_and_results_become_texts() -> None:
    call = ToolCall(id="1", name="now", arguments_json='{"zone": "CET"}')
    asked = emulate_tools(
        request(
            (Role.USER, "When?"),
            (Role.ASSISTANT, call),
            (Role.TOOL, ToolResult(call_id="1", content="noon")),
            (Role.ASSISTANT, ToolCall(id="2", name="now", arguments_json="{}")),
            (Role.TOOL, ToolResult(call_id="2", content="broken", failed=True)),
            tools=(CLOCK,),
        ),
        None,
    )

    assert [
        (Role.USER, "When?"),
        (
            Role.ASSISTANT,
            '{"action": "call_tools", "calls": [{"name": "now", "arguments": {"zone": "CET"}}]}',
        ),
        (Role.USER, "The tool now returned: noon"),
        (Role.ASSISTANT, '{"action": "call_tools", "calls": [{"name": "now", "arguments": {}}]}'),
        (Role.USER, "The tool now failed: broken"),
    ] == told(asked)[1:]


@pytest.mark.parametrize("schema", ["", '{"type":"object"}'])
def test_a_format_is_asked_for_in_words(schema: str) -> None:
    asked = emulate_format(
        request(
            response_format=ResponseFormat(json_schema=schema),
            unsupported=UnsupportedAction.EMULATE,
        ),
        None,
    )

    (role, words), (_, question) = told(asked)
    assert Role.SYSTEM is role
    assert "JSON object" in words
    assert schema in words
    assert "Weather in Oslo?" == question
    assert asked.is_plain


def test_a_format_that_is_half_there_is_still_used() -> None:
    shape = ResponseFormat(json_schema='{"type":"object"}')
    asked = emulate_format(request(response_format=shape), Capability.JSON_OBJECT)

    assert ResponseFormat() == asked.features.response_format


def test_what_a_caller_wrote_is_no_pattern_of_ours() -> None:
    tool = Tool(name="f", description="{braces} {0} {tools}", parameters_json_schema="")
    words = told(emulate_tools(request(tools=(tool,)), None))[0][1]

    assert "{braces} {0} {tools}" in words
