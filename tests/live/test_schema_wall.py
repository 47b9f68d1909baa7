"""What a real engine makes of the schemas that the wall lets through, and of one that it does not."""

import json
from typing import Any

import aiohttp
import pytest

from llmsvc_server.schemas.request_check import find_problem
from llmsvc_server.schemas.wall import fenced
from tests.live.ollama_process import OllamaProcess
from tests.live.subject import Subject
from tests.live.tiny_models import PLAIN

pytestmark = pytest.mark.live


def of_strings(*names: str, **more: object) -> dict[str, Any]:
    return {"type": "object", "properties": {key: {"type": "string"} for key in names}, **more}


def nested(levels: int, schema: dict[str, Any]) -> dict[str, Any]:
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema, "b": {"type": "integer"}}}
    return schema


def numbered(count: int, name: str = "p") -> list[str]:
    return [f"{name}{number}" for number in range(count)]


TREE = {"type": "object", "properties": {"below": {"type": "array", "items": {"$ref": "#"}}}}
ODD_NAMES = (
    "root",
    "value",
    "*",
    "a b",
    "a-b",
    "a_b",
    "object",
    "]",
    "ü",
    "漢",
    "$x",
    "%s",
    " ",
    "",
)
ESCAPED = ('"', "\\", "\n", "\t", "\u0000", "\u2028")
OPEN = {"additionalProperties": True}
HOSTILE = {
    "(?:": {"type": "string", "pattern": "^(?:a|b)$"},
    "(?!": {"type": "string", "pattern": "^(?!a)b$"},
    "classes": {"type": "string", "pattern": r"^\d\w\s\S$"},
    "unanchored": {"type": "string", "pattern": "a"},
    "maxLength": {"type": "string", "maxLength": 2001},
    "not": {"not": {"type": "string"}},
    "crossed": {"type": "array", "items": {"type": "null"}, "minItems": 5, "maxItems": 2},
    "many items": {"type": "array", "items": {"type": "null"}, "minItems": 256, "maxItems": 10**6},
    "items in items": {"type": "array", "items": {"type": "array", "items": {}}, "minItems": 256},
    "1,000 properties": of_strings(*numbered(1000)),
    "250 properties": of_strings(*numbered(250)),
    "250 required": of_strings(*numbered(250), required=numbered(250)),
    "open": of_strings(*numbered(100), **OPEN),
    "long names": of_strings(*numbered(100, "a rather long name of a property ")),
    "odd names": of_strings(*ODD_NAMES),
    "odd names, open": of_strings(*ODD_NAMES, **OPEN),
    "escaped names": of_strings(*ESCAPED),
    "escaped values": {"enum": list(ESCAPED)},
    "escaped value": {"const": "\u0000"},
    "values": {"enum": [f"value {number}" for number in range(500)]},
    "numbers": {"enum": [1e-7, -0.0, 1.5, 123456789012345, True, None]},
    "large numbers": {"type": "integer", "minimum": 2**40, "maximum": 2**62},
    "negative numbers": {"type": "integer", "minimum": -(10**9), "maximum": -1},
    "last integer": {"type": "integer", "maximum": 2**31 - 1},
    "many branches": {"anyOf": [{"type": "number"}] * 480},
    "many anythings": {"anyOf": [{"minLength": 1}, {"type": "null"}] * 50},
    "tuple": {"type": "array", "prefixItems": [nested(2, {"enum": ["a"]})] * 30},
    "nested": nested(14, {"type": "string"}),
    "tree": TREE,
    "itself": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
    "nothing": False,
    "anything": True,
}


async def test_an_engine_lives_on_whatever_a_caller_asks_for(
    breakable: Subject, ollama: OllamaProcess
) -> None:
    api = breakable.api
    await api.chat(PLAIN.name, "hi")
    engines = ollama.engines()
    for schema in HOSTILE.values():
        text = json.dumps(schema)
        assert find_problem(text) is None
        reply = await api.chat(PLAIN.name, "hi", most_tokens=30, schema=fenced(text).schema)
        assert reply.output_tokens > 0
    assert ollama.engines() == engines


async def test_an_engine_ends_by_what_is_left_out(
    breakable: Subject, ollama: OllamaProcess
) -> None:
    await breakable.api.chat(PLAIN.name, "hi")
    engines = ollama.engines()
    lethal = {"type": "string", "enum": ["\u0000"]}
    with pytest.raises(aiohttp.ClientError):
        await breakable.api.chat(PLAIN.name, "hi", schema=lethal)
    assert ollama.engines() != engines
