"""Schemas as Anthropic takes them: closed, and in fewer words."""

import json
from typing import Any

import pytest

from llmsvc_server.chat.features import Features, ResponseFormat, Tool
from llmsvc_server.providers.anthropic.features import MAX_STRICT, strict_tools
from llmsvc_server.providers.anthropic.formats import shape_of
from tests.fakes.anthropic_schemas import schema_faults
from tests.unit.server.providers.anthropic.test_tools import request, sent

STRICT = '{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties":  false}'
TOOL = Tool(name="f", parameters_json_schema=STRICT, conformance_required=True)


def shaped(schema: object) -> tuple[Any, bool]:
    shape = shape_of(json.dumps(schema))
    assert isinstance(shape.schema, dict)
    assert not list(schema_faults("", shape.schema))
    return shape.schema, shape.is_whole


def test_a_schema_that_is_taken_goes_as_it_was_written() -> None:
    schema, *is_fine = shape_of(STRICT)

    assert (STRICT.encode(), [True, True]) == (bytes(schema), is_fine)  # type: ignore[arg-type]  # it is raw


def test_objects_are_closed_all_the_way_down() -> None:
    inner = {"type": "object", "properties": {"city": {"type": "string"}}, "description": "where"}
    schema = {"properties": {"at": {"type": "array", "items": inner}}, "required": ["at"]}

    assert (
        {
            "type": "object",
            "properties": {
                "at": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"city": {"type": "string"}},
                        "additionalProperties": False,
                        "description": "where",
                    },
                }
            },
            "additionalProperties": False,
            "required": ["at"],
        },
        True,
    ) == shaped(schema)


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ({"type": "integer", "minimum": 1}, {"type": "integer"}),
        ({"type": "string", "maxLength": 3}, {"type": "string"}),
        ({"type": "array", "minItems": 3}, {"type": "array", "minItems": 1}),
        ({"items": {"type": "null"}, "maxItems": 3}, {"type": "array", "items": {"type": "null"}}),
    ],
)
def test_what_no_grammar_has_is_left_out(inner: object, expected: object) -> None:
    schema, is_whole = shaped({"type": "object", "properties": {"n": inner}})

    assert (expected, False) == (schema["properties"]["n"], is_whole)


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        (
            {"type": ["string", "null"]},
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
        ),
        ({"type": "array", "minItems": 1}, {"type": "array", "minItems": 1}),
        ({"enum": ["a", None, 1]}, {"enum": ["a", None, 1]}),
        ({"const": "a", "title": "A"}, {"const": "a"}),
        (
            {"anyOf": [{"type": "string"}, {"type": "object", "properties": {}}]},
            {
                "anyOf": [
                    {"type": "string"},
                    {"type": "object", "properties": {}, "additionalProperties": False},
                ]
            },
        ),
    ],
)
def test_what_means_the_same_is_no_loss(inner: object, expected: object) -> None:
    schema, is_whole = shaped({"type": "object", "properties": {"n": inner}})

    assert (expected, True) == (schema["properties"]["n"], is_whole)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {"n": {"type": ["object", "null"]}}},
        {"type": "object", "properties": {"n": {}}},
        {"additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {"n": {"enum": [{"a": 1}]}}},
    ],
)
def test_what_would_hold_nothing_if_it_were_closed_goes_as_it_is(schema: object) -> None:
    text = json.dumps(schema)

    assert text.encode() == bytes(shape_of(text).schema)  # type: ignore[arg-type]  # it is raw


def test_what_the_prompt_tells_too_is_only_asked_for_where_it_can_be_said() -> None:
    wanted = ResponseFormat(json_schema='{"type": "object"}', is_told=True)
    sayable = ResponseFormat(json_schema=STRICT, is_told=True)

    assert "output_config" not in sent(features=Features(response_format=wanted))
    assert "output_config" in sent(features=Features(response_format=sayable))


def test_only_tools_whose_calls_must_conform_are_strict() -> None:
    loose = Tool(name="g", parameters_json_schema=STRICT)
    wide = Tool(name="h", parameters_json_schema='{"type": "object"}', conformance_required=True)
    asked = request(features=Features(tools=(TOOL, loose, wide)))

    assert {"f"} == strict_tools(asked)


def test_not_more_tools_are_strict_than_the_server_takes() -> None:
    tools = [
        Tool(name=f"f{n}", parameters_json_schema=STRICT, conformance_required=True)
        for n in range(30)
    ]

    assert MAX_STRICT == len(strict_tools(request(features=Features(tools=tuple(tools)))))


def test_a_format_is_sent_in_what_the_server_takes() -> None:
    wanted = ResponseFormat(json_schema='{"type": "object", "properties": {"n": {"type": "null"}}}')
    asked = sent(features=Features(response_format=wanted))["output_config"]["format"]

    assert "json_schema" == asked["type"]
    assert asked["schema"]["additionalProperties"] is False
