import json
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings

from llmsvc_server.schemas.check import check_document
from llmsvc_server.schemas.document import DRAFT_07
from llmsvc_server.schemas.request_check import find_problem
from llmsvc_server.schemas.smallest import smallest
from tests.unit.server.schemas.generated import schemas

CITY = {"type": "object", "properties": {"city": {"type": "string"}, "a": {}}, "required": ["city"]}


@pytest.mark.parametrize(
    ("schema", "document"),
    [
        (True, {}),
        ({}, {}),
        (CITY, {"city": ""}),
        ({"type": "array"}, []),
        ({"type": "string", "minLength": 3}, "aaa"),
        ({"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"}, "2000-01-01"),
        ({"type": "string", "pattern": "^0+$", "minLength": 30}, "0" * 30),
        ({"type": "boolean"}, False),
        ({"type": "null"}, None),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "multipleOf": 7, "minimum": 10}, 14),
        ({"type": "integer", "exclusiveMaximum": -4}, -5),
        ({"type": "integer", "minimum": 2**60}, 2**60),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5}, 0.25),
        ({"type": "integer", "not": {"const": 0}}, 1),
        ({"const": {"a": [1]}}, {"a": [1]}),
        ({"enum": ["x", "y"]}, "x"),
        ({"enum": [1, "y"], "type": "string"}, "y"),
        ({"not": {"type": "object"}}, []),
        ({"anyOf": [{"type": "null"}, CITY]}, None),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, 0.5),
        (
            {
                "allOf": [
                    CITY,
                    {
                        "properties": {"age": {"minimum": 18, "type": "integer"}},
                        "required": ["age"],
                    },
                ]
            },
            {"city": "", "age": 18},
        ),
        ({"allOf": [CITY, {"properties": {"city": {"minLength": 2}}}]}, {"city": "aa"}),
        ({"allOf": [{"type": ["string", "null"]}, {"type": "null"}]}, None),
        (
            {
                "allOf": [
                    {"type": "number"},
                    {"type": "integer", "minimum": 1, "maximum": 5},
                    {"minimum": 2, "maximum": 3},
                ]
            },
            2,
        ),
        ({"allOf": [{"enum": [1, 2]}, {"enum": [2, 3]}]}, 2),
        (
            {
                "allOf": [
                    {"items": {"type": "integer"}},
                    {"items": {"minimum": 1}, "minItems": 1, "type": "array"},
                ]
            },
            [1],
        ),
        ({"allOf": [{"pattern": "a"}, {"pattern": "a|b"}], "type": "string"}, "a"),
        ({"type": "array", "items": CITY, "minItems": 2}, [{"city": ""}, {"city": ""}]),
        (
            {"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True},
            [0, 1, 2],
        ),
        (
            {"type": "array", "items": {"type": "string"}, "minItems": 2, "uniqueItems": True},
            ["", "a"],
        ),
        (
            {
                "type": "array",
                "contains": {"const": 5},
                "minItems": 2,
                "items": {"type": "integer"},
            },
            [5, 0],
        ),
        ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "minItems": 1}, [1]),
        (
            {
                "$schema": DRAFT_07,
                "type": "array",
                "items": [{"const": 1}],
                "additionalItems": {"const": 2},
                "minItems": 2,
            },
            [1, 2],
        ),
        (
            {
                "$schema": DRAFT_07,
                "type": "null",
                "$ref": "#/definitions/a",
                "definitions": {"a": CITY},
            },
            {"city": ""},
        ),
        (
            {"type": "object", "minProperties": 2, "properties": {"a": {"const": 1}}},
            {"a": 1, "property1": {}},
        ),
        ({"type": "object", "required": ["a"], "additionalProperties": {"const": 1}}, {"a": 1}),
        (
            {
                "type": "object",
                "if": {"required": ["a"]},
                "then": {"required": ["b"]},
                "else": False,
            },
            {"a": {}, "b": {}},
        ),
        (
            {
                "$ref": "#/$defs/a",
                "$defs": {
                    "a": {
                        "type": "object",
                        "properties": {
                            "next": {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}]}
                        },
                        "required": ["next"],
                    }
                },
            },
            {"next": None},
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
                "required": ["a", "b"],
                "not": {"properties": {"a": {"const": 0}}},
            },
            {"a": 1, "b": 1},
        ),
    ],
)
def test_the_smallest_document_is_what_is_required(schema: object, document: object) -> None:
    text = json.dumps(schema)
    assert find_problem(text) is None
    assert smallest(text) == json.dumps(document, separators=(",", ":"))


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"$ref": "#"},
        {"$ref": "https://example.com"},
        {"type": "string", "pattern": "^zzz$"},
        {"type": "string", "minLength": 10**9},
        {"type": "array", "minItems": 2, "items": False},
        {"type": "array", "prefixItems": [False], "minItems": 1},
        {"type": "array", "items": False, "contains": {"const": 1}},
        {"type": "object", "required": ["a"], "properties": {"a": False}},
        {"allOf": [{"type": "string"}, {"type": "null"}]},
        {"allOf": [{"enum": [1]}, {"enum": [2]}]},
        {
            "type": "number",
            "minimum": 1e300,
            "maximum": 1e301,
            "multipleOf": 1e-300,
            "not": {"minimum": 1e300},
        },
    ],
)
def test_none_comes_where_none_is_found(schema: object) -> None:
    assert smallest(json.dumps(schema)) is None


def test_the_search_is_bounded() -> None:
    links: dict[str, Any] = {
        f"a{number}": {"anyOf": [{"$ref": f"#/$defs/a{number + 1}"}] * 2} for number in range(9)
    }
    links["a9"] = {"type": "string", "pattern": "zzz"}
    assert smallest(json.dumps({"$ref": "#/$defs/a0", "$defs": links})) is None
    needed = [f"p{number}" for number in range(40)]
    heavy = {
        "type": "object",
        "required": needed,
        "additionalProperties": {"enum": list(range(2000)), "type": "string"},
    }
    wide = {
        "type": "object",
        "required": needed,
        "additionalProperties": {
            "anyOf": [
                heavy,
                {
                    "type": "object",
                    "required": needed,
                    "additionalProperties": {"enum": list(range(2000))},
                },
            ]
        },
    }
    assert smallest(json.dumps(wide)) is None


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(schemas())
def test_what_is_found_conforms(schema: dict[str, Any]) -> None:
    text = json.dumps(schema)
    assume(find_problem(text) is None)
    found = smallest(text)
    assert found is None or check_document(text, json.loads(found)) == ()
    assert smallest(text) == found
