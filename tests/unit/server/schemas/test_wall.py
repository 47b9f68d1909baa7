import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, assume, given, settings

from llmsvc_server.schemas.document import DRAFT_07, depth_of
from llmsvc_server.schemas.request_check import find_problem
from llmsvc_server.schemas.wall import Fenced, anything, fenced
from tests.unit.server.schemas.generated import documents, schemas

ALLOWED = {
    "additionalProperties",
    "anyOf",
    "const",
    "description",
    "enum",
    "items",
    "maxItems",
    "maximum",
    "minItems",
    "minimum",
    "prefixItems",
    "properties",
    "required",
    "type",
}
ANYTHING = anything()
ADDRESS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def fence(schema: object) -> Fenced:
    text = json.dumps(schema)
    assert find_problem(text) is None
    return fenced(text)


def inner_schemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    lists = [*schema.get("anyOf", []), *schema.get("prefixItems", [])]
    others = [one for one in (schema.get("items"), schema.get("additionalProperties")) if one]
    for one in (*lists, *schema.get("properties", {}).values(), *others):
        if one is not True:
            yield from inner_schemas(one)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(schemas(), documents)
def test_an_engine_may_write_whatever_the_caller_accepts(
    schema: dict[str, Any], document: object
) -> None:
    text = json.dumps(schema)
    assume(find_problem(text) is None)
    built = fenced(text).schema
    for one in inner_schemas(built):
        assert one.keys() <= ALLOWED
        assert one.get("minItems", 0) <= one.get("maxItems", 256) <= 256
    assert depth_of(built) <= 32
    if jsonschema_rs.Draft202012Validator(schema, offline=True).is_valid(document):
        assert jsonschema_rs.Draft202012Validator(built).is_valid(document)


@pytest.mark.parametrize(
    "lethal",
    [
        {"type": "string", "pattern": "^(?:a|b)$"},
        {"type": "string", "pattern": "^(?!a)b$"},
        {"type": "string", "pattern": "^+"},
        {"type": "string", "pattern": r"^\d\w\s\S$"},
        {"type": "string", "pattern": "^a{2,5}$"},
        {"type": "string", "pattern": "unanchored"},
        {"type": "string", "maxLength": 2001},
        {"type": "string", "minLength": 2001},
        {"type": "string", "format": "date-time"},
    ],
)
def test_no_engine_is_told_what_strings_look_like(lethal: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"a": lethal}, "required": ["a"]}
    if find_problem(json.dumps(schema)) is not None:
        return  # it does not get so far
    told = fence(schema)
    assert told.schema["properties"] == {"a": {"type": "string"}}
    assert not told.is_whole


def test_a_nest_deeper_than_an_engine_stands_ends_in_anything() -> None:
    links = {f"a{number}": {"items": {"$ref": f"#/$defs/a{number + 1}"}} for number in range(100)}
    told = fence({"$ref": "#/$defs/a0", "$defs": links | {"a100": {"type": "string"}}})
    assert depth_of(told.schema) <= 32
    assert not told.is_whole


def test_a_thousand_properties_are_told_as_an_object() -> None:
    told = fence({"type": "object", "properties": {f"p{one}": {} for one in range(1000)}})
    assert told.schema == {"type": "object"}
    assert not told.is_whole


def test_properties_are_counted_in_all_objects_together() -> None:
    names = [f"p{one}" for one in range(120)]
    half = {
        "type": "object",
        "properties": {key: {"type": "null"} for key in names},
        "required": names,
    }
    told = fence({"type": "array", "prefixItems": [half, half, half]})
    assert told.schema["prefixItems"] == [half, half, {"type": "object"}]


def test_references_are_replaced_and_bounded_by_what_they_come_to() -> None:
    links: dict[str, Any] = {
        f"a{number}": {"anyOf": [{"$ref": f"#/$defs/a{number + 1}"}] * 2} for number in range(10)
    }
    told = fence({"$ref": "#/$defs/a0", "$defs": links | {"a10": {"type": "string"}}})
    assert len(list(inner_schemas(told.schema))) < 2000
    assert not told.is_whole


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}},
    ],
)
def test_what_leads_back_to_itself_at_once_is_anything(schema: dict[str, Any]) -> None:
    told = fence(schema)
    assert told.schema in (ANYTHING, {"anyOf": [ANYTHING, ANYTHING]})
    assert not told.is_whole


def test_a_tree_is_told_as_far_as_it_does_not_repeat() -> None:
    told = fence(
        {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "below": {"type": "array", "items": {"$ref": "#"}},
            },
        }
    )
    assert told.schema["properties"]["below"] == {"type": "array", "items": {"type": "object"}}
    assert not told.is_whole


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (True, ANYTHING),
        ({}, ANYTHING),
        ({"title": "Anything", "x-order": 1, "default": 1}, ANYTHING),
        (ADDRESS, ADDRESS),
        ({"$ref": "#/$defs/a", "$defs": {"a": ADDRESS}}, ADDRESS),
        ({"$ref": "#home", "$defs": {"a": ADDRESS | {"$anchor": "home"}}}, ADDRESS),
        ({"allOf": [ADDRESS]}, ADDRESS),
        (
            {"description": "where", "$ref": "#/$defs/a", "$defs": {"a": ADDRESS}},
            ADDRESS | {"description": "where"},
        ),
        (
            {
                "$schema": DRAFT_07,
                "$ref": "#/definitions/a",
                "type": "null",
                "definitions": {"a": ADDRESS},
            },
            ADDRESS,
        ),
        (
            {
                "$schema": DRAFT_07,
                "type": "array",
                "items": [{"type": "null"}],
                "additionalItems": False,
            },
            {"type": "array", "prefixItems": [{"type": "null"}], "maxItems": 1},
        ),
        (
            {"$schema": DRAFT_07, "type": "array", "items": {"type": "null"}},
            {"type": "array", "items": {"type": "null"}},
        ),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        (
            {"type": ["array", "null"], "items": {"type": "null"}},
            {"anyOf": [{"type": "array", "items": {"type": "null"}}, {"type": "null"}]},
        ),
        (
            {"type": ["string", "null"], "enum": ["a", 1, None]},
            {"enum": ["a", None]},
        ),
        ({"type": "string", "const": "a"}, {"type": "string", "const": "a"}),
        ({"type": "integer", "enum": [1, 2.0, 2.5]}, {"type": "integer", "enum": [1, 2.0]}),
        (
            {"anyOf": [{"type": "string"}, False, {"type": "null"}]},
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
        ),
        ({"oneOf": [{"type": "string"}]}, {"type": "string"}),
        (
            {"type": "string", "anyOf": [{"enum": ["a"]}, {"type": "null"}]},
            {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]},
        ),
        (
            {"type": "string", "anyOf": [{"enum": ["a"]}, True]},
            {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "string"}]},
        ),
        (
            {"type": "integer", "exclusiveMinimum": 0, "maximum": 9.5, "exclusiveMaximum": 9},
            {"type": "integer", "minimum": 1, "maximum": 8},
        ),
        ({"type": "number", "minimum": 0.5}, {"type": "number", "minimum": 0.5}),
        ({"items": {"type": "null"}, "maxItems": 2}, {"items": {"type": "null"}, "maxItems": 2}),
        ({"type": "array", "items": False}, {"type": "array", "maxItems": 0}),
        (
            {"type": "object", "properties": {}, "additionalProperties": False},
            {"type": "object", "properties": {}, "additionalProperties": False},
        ),
        (
            {"type": "object", "additionalProperties": {"type": "null"}, "required": ["a"]},
            {
                "type": "object",
                "properties": {"a": {"type": "null"}},
                "required": ["a"],
                "additionalProperties": {"type": "null"},
            },
        ),
        (
            {"properties": {"a": {}}, "additionalProperties": {}},
            {"properties": {"a": ANYTHING}, "additionalProperties": True},
        ),
    ],
)
def test_what_an_engine_takes_is_told_whole(schema: object, told: dict[str, Any]) -> None:
    assert fence(schema) == Fenced(schema=told, is_whole=True)


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (False, ANYTHING),
        ({"not": {"type": "null"}}, ANYTHING),
        ({"type": "string", "not": {"const": "a"}}, {"type": "string"}),
        ({"minimum": 1}, ANYTHING),
        ({"properties": {"a": {}}, "items": {}}, ANYTHING),
        ({"type": "number", "exclusiveMinimum": 0}, {"type": "number", "minimum": 0}),
        ({"type": "integer", "minimum": 5, "maximum": 2}, {"type": "integer"}),
        ({"type": "integer", "minimum": 2**64}, {"type": "integer"}),
        ({"type": "array", "minItems": 5, "maxItems": 2}, {"type": "array"}),
        ({"type": "array", "items": False, "minItems": 1}, {"type": "array"}),
        ({"type": "array", "maxItems": 10**9}, {"type": "array"}),
        ({"type": "array", "prefixItems": [{}], "minItems": 2}, {"type": "array"}),
        (
            {"type": "array", "prefixItems": [{"type": "null"}], "items": {"type": "null"}},
            {"type": "array", "prefixItems": [{"type": "null"}]},
        ),
        ({"enum": [{"a": 1}, "b"]}, {"type": ["object", "string"]}),
        ({"enum": [[1], 2**60, True, None]}, {"type": ["array", "number", "boolean", "null"]}),
        ({"const": "a" * 2000}, {"type": ["string"]}),
        ({"type": "string", "const": 1}, {"type": "string"}),
        ({"enum": list(range(600))}, {"type": ["number"]}),
        ({"const": 1, "enum": [1, 2]}, {"const": 1}),
        ({"anyOf": [False]}, ANYTHING),
        ({"anyOf": [True, {"pattern": "a"}]}, ANYTHING),
        (
            {"oneOf": [{"type": "string"}, {"type": "null"}]},
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
        ),
        ({"allOf": [{"type": "object", "required": ["a"]}, ADDRESS]}, {"type": "object"}),
        ({"allOf": [True, {"minimum": 1}]}, ANYTHING),
        (
            {"$schema": DRAFT_07, "allOf": [{"$ref": "#", "type": "null"}, {"type": "string"}]},
            {"type": "string"},
        ),
        (
            {"$ref": "#/$defs/a", "properties": {"b": {}}, "$defs": {"a": ADDRESS}},
            {"type": "object"},
        ),
        ({"$ref": "#/$defs/a", "minProperties": 1, "$defs": {"a": ADDRESS}}, ADDRESS),
        (
            {"type": "object", "properties": {"a": False, "b": {"type": "null"}}},
            {"type": "object", "properties": {"b": {"type": "null"}}},
        ),
        (
            {
                "properties": {"a": {"type": "null"}},
                "patternProperties": {"b": {}},
                "additionalProperties": False,
            },
            {"properties": {"a": {"type": "null"}}, "additionalProperties": True},
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "null"}},
                "anyOf": [{"required": ["b"]}],
            },
            {"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": True},
        ),
        ({"properties": {"a-b": {}}, "additionalProperties": True}, ANYTHING),
        ({"type": "object", "properties": {"a" * 200: {}}}, {"type": "object"}),
        ({"type": "object", "properties": {"a\u0000": {}}}, {"type": "object"}),
        ({"type": "object", "properties": {'a"': {}}}, {"type": "object"}),
        ({"type": "object", "properties": {"a\\": {}}}, {"type": "object"}),
        ({"type": "object", "properties": {"": {}}}, {"type": "object"}),
        ({"enum": ["\u0000"]}, {"type": ["string"]}),
        ({"enum": ["a", "b\n"]}, {"type": ["string"]}),
        ({"const": 'a"'}, {"type": ["string"]}),
        ({"const": "a\\"}, {"type": ["string"]}),
        ({"type": "integer", "minimum": 2**31 - 1}, {"type": "integer"}),
    ],
)
def test_what_an_engine_might_die_of_is_left_out(schema: object, told: dict[str, Any]) -> None:
    assert fence(schema) == Fenced(schema=told, is_whole=False)


def test_what_makes_a_long_grammar_nests_less_deep() -> None:
    names = [f"a property with a long name {number}" for number in range(120)]
    wide = {"type": "object", "properties": {key: {"type": "null"} for key in names}}
    assert fence(wide) == Fenced(schema={"type": "object"}, is_whole=False)
    inner = {"type": "array", "items": wide}
    told = fence({"type": "object", "properties": {"a": inner, "b": {"enum": ["c"]}}})
    assert told.schema == {
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"type": "object"}}, "b": {"enum": ["c"]}},
    }
    assert not told.is_whole


def test_all_forms_count_towards_the_grammar() -> None:
    words = [f"a rather long value, one of many, number {number}" for number in range(300)]
    lists = {"type": "array", "prefixItems": [{"enum": words}, {"const": words[0]}]}
    others = {"type": "object", "additionalProperties": {"enum": words}}
    both = {"anyOf": [lists, others, {"type": "integer", "minimum": 1}]}
    assert fence(lists).is_whole
    assert fence(others).is_whole
    assert not fence(both).is_whole
    named = {f"property_{number}": {"type": "string"} for number in range(120)}
    assert fence({"type": "object", "properties": named}).is_whole
    assert not fence({"properties": named, "additionalProperties": {"type": "null"}}).is_whole


def test_descriptions_are_told_while_they_are_few() -> None:
    long = {"type": "null", "description": "a" * 20_000}
    schema = {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}], "$defs": {"a": long}}
    assert fence(schema).schema == {"anyOf": [long, {"type": "null"}]}


def test_nothing_is_told_of_a_schema_that_is_refused() -> None:
    refused = fenced('{"$ref": "https://example.com/"}')
    assert refused == Fenced(schema=ANYTHING, is_whole=False)


def test_a_schema_is_kept_out_of_repr() -> None:
    assert "SECRET" not in repr(fenced('{"type":"object","description":"SECRET"}'))
