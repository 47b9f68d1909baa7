import json
import socket
import sys
from typing import Any

import pytest

from llmsvc_server.errors import ViolationReason
from llmsvc_server.rpc.details import MAX_DETAIL_BYTES
from llmsvc_server.schemas.document import DRAFT_07, DRAFT_2020_12
from llmsvc_server.schemas.request_check import (
    MAX_CHARACTERS,
    MAX_OBJECTS,
    SchemasOfRequest,
    find_problem,
)

CANARY = "canary"


def doubling(levels: int) -> dict[str, Any]:
    """Return a schema whose every level refers to the next one twice."""
    links: dict[str, Any] = {
        f"a{level}": {"allOf": [{"$ref": f"#/$defs/a{level + 1}"}] * 2} for level in range(levels)
    }
    return {"$ref": "#/$defs/a0", "$defs": links | {f"a{levels}": {"type": "string"}}}


def reason_of(schema: object) -> ViolationReason | None:
    text = schema if isinstance(schema, str) else json.dumps(schema)
    problem = find_problem(text)
    if problem is None:
        return None
    assert CANARY not in problem.description
    assert problem.description.startswith("Must ")
    assert problem.description.endswith(".")
    assert len(problem.description) <= MAX_DETAIL_BYTES
    return problem.reason


@pytest.mark.parametrize(
    "schema",
    [
        True,
        False,
        {},
        {"$schema": DRAFT_2020_12, "type": "object"},
        {"$schema": DRAFT_2020_12 + "#"},
        {"$schema": DRAFT_07, "items": [{}]},
        {"$schema": DRAFT_07 + "#", "definitions": {"a": {"$id": "#a"}}, "items": {"$ref": "#a"}},
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {"$ref": "#/$defs/a%20b~1c", "$defs": {"a b/c": True}},
        {"$ref": "#/$defs/a%20b", "$defs": {"a b": {"$ref": "#/$defs/a%20b"}}},
        {"items": {"$ref": "#/allOf/1"}, "allOf": [True, {"type": "array"}]},
        {"items": {"$ref": "#/x/y"}, "x": {"y": {"type": "null"}}},
        {"$ref": "#a", "$defs": {"b": {"$anchor": "a"}}},
        {"$dynamicRef": "#a", "$defs": {"b": {"$dynamicAnchor": "a"}}},
        {"$id": "https://example.com/a.json", "$ref": "#/$defs/a", "$defs": {"a": {}}},
        {"properties": {"$id": {}, "$ref": {}, "$schema": {}}},
        {"const": {"$ref": "https://example.com"}, "enum": [{"$id": "a"}]},
        {"pattern": "^(?=a)(?!b)\\w+$", "patternProperties": {"^a": {}}},
        {
            "$ref": "#/$defs/b",
            "$dynamicRef": "#a",
            "$defs": {"b": {}, "a": {"$anchor": "a", "$ref": "#/$defs/b"}},
        },
        {"format": "anything", "x-anything": [1]},
        '{"items":' * 31 + "{}" + "}" * 31,
        doubling(8),
    ],
)
def test_a_schema_that_can_be_used_is_taken(schema: object) -> None:
    assert reason_of(schema) is None


@pytest.mark.parametrize(
    "schema",
    [
        "",
        "canary",
        '{"type": "object"',
        '{"const": NaN}',
        '{"const": 1e999}',
        f'{{"type": "integer", "enum": [{"9" * 400}]}}',
        f'{{"minLength": {"9" * 400}}}',
        f'{{"const": -{"9" * 5_000}}}',
        '{"const": "\\ud800"}',
        '{"canary": 1, "canary": 2}',
        "[]",
        "null",
        {"$schema": "http://json-schema.org/draft-04/schema#"},
        {"$schema": "https://example.com/canary"},
        {"$schema": 1},
        {"$defs": {"a": {"$schema": DRAFT_07}}},
        {"type": "canary"},
        {"items": [{}]},
        {"$schema": DRAFT_07, "$id": 1},
        {"properties": {"canary": 1}},
        {"pattern": "(canary"},
        {"patternProperties": {"(canary": {}}},
        {"pattern": "(?=a)" + r"\w" * 9000},
        {"$ref": 1},
        {"$ref": "https://example.com/canary"},
        {"$ref": "http://127.0.0.1:1/canary"},
        {"$ref": "file:///etc/canary"},
        {"$ref": "canary.json"},
        {"$ref": "canary.json#/$defs/a"},
        {"$ref": "//canary"},
        {"$ref": "urn:canary"},
        {"$ref": ""},
        {"$dynamicRef": "https://example.com/canary"},
        {"$recursiveRef": "https://example.com/canary"},
        {"items": {"anyOf": [{"$ref": "https://example.com/canary"}]}},
        {"$defs": {"a": {"$ref": "https://example.com/canary"}}},
        {"x": {"$ref": "https://example.com/canary"}, "items": {"$ref": "#/x"}},
        {"$ref": "#canary"},
        {"$ref": "#/$defs/canary"},
        {"$ref": "#/enum/0", "enum": [1]},
        {"$ref": "#/enum/7", "enum": [{}]},
        {"$ref": "#/enum/a", "enum": [{}]},
        {"$ref": "#/type/a", "type": "object"},
        {"$defs": {"a": {"$id": "https://example.com/canary"}}},
        {"contentSchema": {"$id": "canary"}},
        {"$schema": DRAFT_07, "prefixItems": True},
        {"$schema": DRAFT_07, "dependentSchemas": "canary"},
        {"$schema": DRAFT_07, "dependentRequired": {"canary": [1]}},
        {"$schema": DRAFT_07, "$dynamicRef": ["canary"]},
        {"$schema": DRAFT_07, "minContains": "canary"},
        {"$ref": "#/x", "x": {"properties": 1}},
        {"$ref": "#/x", "x": {"type": 1}},
        {"$ref": "#/x", "x": {"enum": 1}},
        {"$ref": "#/x", "x": {"multipleOf": 0}},
        {"$ref": "#/x", "x": {"dependencies": {"canary": 1}}},
        {"$defs": {"a": {"$id": "#canary"}}},
        {"$defs": {"a": {"$anchor": "canary"}, "b": {"$anchor": "canary"}}},
    ],
)
def test_what_is_no_schema_of_this_document_alone_is_malformed(schema: object) -> None:
    assert reason_of(schema) is ViolationReason.MALFORMED


@pytest.mark.parametrize(
    "schema",
    [
        '{"items":' * 32 + "{}" + "}" * 32,
        "[" * 30_000,
        '{"a":' * 5000 + "1" + "}" * 5000,
        doubling(26),
        doubling(400),
        {"items": {"allOf": [doubling(13)["$defs"]["a0"]]}, "$defs": doubling(13)["$defs"]},
    ],
)
def test_what_is_too_deep_or_comes_to_too_much_is_out_of_range(schema: object) -> None:
    assert reason_of(schema) is ViolationReason.OUT_OF_RANGE


@pytest.mark.parametrize(
    "patterns",
    [
        [f"a{number}" for number in range(129)],
        [f"(?=a)b{number}" for number in range(17)],
        [rf"\p{{L}}{{90}}{number}" for number in range(17)],
    ],
)
def test_patterns_that_take_long_to_compile_are_few(patterns: list[str]) -> None:
    assert reason_of({"anyOf": [{"pattern": one} for one in patterns]}) is ViolationReason.TOO_MANY
    assert reason_of({"anyOf": [{"pattern": patterns[0]}] * 200}) in (
        None,
        ViolationReason.MALFORMED,
    )


def test_a_text_that_is_too_long_is_not_looked_at() -> None:
    assert reason_of(" " * MAX_CHARACTERS + "{}") is ViolationReason.TOO_LONG


def test_no_schema_opens_a_file_or_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/schema.json"
        seen: list[str] = []
        opened = ("open", "socket.connect", "socket.getaddrinfo")
        watching = True

        def watch(event: str, _arguments: tuple[object, ...]) -> None:
            if watching and event in opened:
                seen.append(event)

        sys.addaudithook(watch)
        for keyword in ("$ref", "$dynamicRef", "$id", "$schema", "$vocabulary"):
            for target in (address, "file:///etc/hostname", address + "#/a"):
                for schema in (
                    {keyword: target},
                    {"items": {keyword: target}},
                    {keyword: {target: True}},
                ):
                    find_problem(json.dumps(schema))
        watching = False
        listener.setblocking(False)  # noqa: FBT003
        with pytest.raises(BlockingIOError):
            listener.accept()
        assert seen == []


def with_patterns(*patterns: str) -> str:
    """Return a schema whose properties match these, one each."""
    properties = {f"p{index}": {"pattern": one} for index, one in enumerate(patterns)}
    return json.dumps({"type": "object", "properties": properties})


SMALL, LARGE, LOOKING, WRONG = "^[a-z]+{}$", "^(a|b|[c-z]){{1,200}}{}$", "^(?={})a", "({}"


@pytest.mark.parametrize(
    ("pattern", "each", "most"), [(SMALL, 100, 5), (LARGE, 64, 2), (LOOKING, 8, 4)]
)
def test_a_request_has_schemas_with_so_many_patterns(pattern: str, each: int, most: int) -> None:
    schemas = SchemasOfRequest()
    texts = [
        with_patterns(*(pattern.format(number) for number in range(each * lot, each * (lot + 1))))
        for lot in range(most)
    ]

    assert [None] * most == [schemas.find_problem(text) for text in texts]
    last = schemas.find_problem(texts[0])
    assert last is not None
    assert ViolationReason.TOO_MANY is last.reason
    assert len(last.description) <= MAX_DETAIL_BYTES


def test_what_comes_after_too_many_patterns_is_not_looked_at() -> None:
    schemas = SchemasOfRequest()
    costly = with_patterns(*(LARGE.format(number) for number in range(100)))
    told = [schemas.find_problem(text) for text in (costly, costly, "no JSON", costly)]

    assert [False, True, False, False] == [one is not None for one in told]


def test_a_request_has_schemas_of_so_many_objects_and_no_others_are_looked_at() -> None:
    schemas = SchemasOfRequest()
    fine = json.dumps({"anyOf": [{}] * (MAX_OBJECTS // 8 - 1)})
    told = [schemas.find_problem(text) for text in (*[fine] * 8, "{}", "no JSON")]

    assert [False] * 8 + [True, False] == [one is not None for one in told]
    last = told[8]
    assert last is not None
    assert ViolationReason.TOO_MANY is last.reason
    assert len(last.description) <= MAX_DETAIL_BYTES


@pytest.mark.parametrize("wrong", [(WRONG,), (LOOKING,) * 9, ("(?=a)(\\w{{1,9{}}}|b)",)])
def test_schemas_that_are_refused_late_count_too(wrong: tuple[str, ...]) -> None:
    schemas = SchemasOfRequest()
    told = [
        schemas.find_problem(
            with_patterns(
                *(SMALL.format(f"{number}a{lot}") for number in range(100)),
                *(one.format(f"{index}{lot}") for index, one in enumerate(wrong)),
            )
        )
        for lot in range(4)
    ]

    assert [True, True, False, False] == [one is not None for one in told]


@pytest.mark.parametrize(
    ("schema", "is_refused"),
    [
        ({"type": "object"}, False),
        ({"properties": {}}, False),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}}, False),
        ({"type": ["object", "null"]}, True),
        ({"type": "string"}, True),
        (True, True),
    ],
)
def test_arguments_are_objects(schema: object, *, is_refused: bool) -> None:
    problem = SchemasOfRequest().find_problem(json.dumps(schema), of_objects=True)

    assert is_refused == (problem is not None)
    assert SchemasOfRequest().find_problem(json.dumps(schema)) is None


def test_a_schema_that_is_too_long_is_not_looked_at() -> None:
    problem = SchemasOfRequest().find_problem("[" * (MAX_CHARACTERS + 1))

    assert problem is not None
    assert ViolationReason.TOO_LONG is problem.reason
