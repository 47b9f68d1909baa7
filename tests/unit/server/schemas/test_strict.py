import json
from typing import Any

import pytest

from llmsvc_server.schemas.strict import fits_openai_strict

CLOSED = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def closed(**properties: object) -> dict[str, Any]:
    return CLOSED | {"properties": properties, "required": list(properties)}


def nested(levels: int) -> object:
    return closed(a=nested(levels - 1)) if levels else {"type": "null"}


@pytest.mark.parametrize(
    "schema",
    [
        CLOSED,
        CLOSED
        | {
            "title": "Where",
            "description": "The place",
            "$schema": "https://json-schema.org/draft/2020-12/schema",
        },
        closed(a={"type": ["string", "null"]}, b={"type": "array", "items": CLOSED}),
        closed(a={"anyOf": [{"type": "null"}, CLOSED], "description": "either"}),
        closed(a={"type": "string", "enum": ["x", "y"]}, b={"type": "string", "const": "z"}),
        closed(a={"$ref": "#/$defs/c"}, b={"$ref": "#/$defs/c"}) | {"$defs": {"c": CLOSED}},
        closed(),
        nested(4),
    ],
)
def test_a_closed_schema_of_few_keywords_is_strict(schema: object) -> None:
    assert fits_openai_strict(json.dumps(schema))


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"type": "string"},
        {"type": "object"},
        {"$ref": "https://example.com"},
        {"$ref": "#/$defs/a", "$defs": {"a": CLOSED}},
        {"anyOf": [CLOSED]},
        {key: one for key, one in CLOSED.items() if key != "additionalProperties"},
        CLOSED | {"required": []},
        CLOSED | {"minProperties": 1},
        CLOSED | {"unknown": 1},
        closed(a=True),
        closed(a={}),
        closed(a={"enum": [1]}),
        closed(a={"type": "string", "pattern": "a"}),
        closed(a={"type": "string", "minLength": 1}),
        closed(a={"type": "string", "default": "a"}),
        closed(a={"type": "array"}),
        closed(a={"type": "string", "items": {"type": "string"}}),
        closed(a={"oneOf": [CLOSED]}),
        closed(a={"allOf": [CLOSED]}),
        closed(a={"anyOf": [CLOSED, {"type": "object"}]}),
        closed(a={"$ref": "#/$defs/c", "description": "there"}) | {"$defs": {"c": CLOSED}},
        closed(a={"anyOf": [{"type": "null"}, {"$ref": "#"}]}),
        closed(a={"$ref": "#/$defs/c"}) | {"$defs": {"c": closed(b={"$ref": "#/$defs/c"})}},
        closed(**{f"a{number}": {"type": "null"} for number in range(101)}),
        closed(a={"type": "integer", "enum": list(range(501))}),
        nested(5),
    ],
)
def test_all_else_is_not(schema: object) -> None:
    assert not fits_openai_strict(json.dumps(schema))
