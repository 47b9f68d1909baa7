import json
import socket
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from llmsvc_server.chat.features import Features, ResponseFormat, Tool
from llmsvc_server.chat.output_check import OutputCheck, SchemaViolation
from llmsvc_server.chat.parts import ToolCall
from llmsvc_server.chat.usage import FinishReason
from llmsvc_server.schemas.check import (
    MAX_VALUES,
    check_answer,
    check_document,
    is_json_object,
)
from llmsvc_server.schemas.document import DRAFT_07, MAX_DEPTH, depth_of
from llmsvc_server.schemas.examined import compile_schema
from llmsvc_server.schemas.request_check import find_problem
from tests.unit.server.schemas.generated import documents, schemas

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2},
        "age": {"type": "integer", "minimum": 0},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name"],
    "additionalProperties": False,
}


def places(
    schema: object, answer: object, finish_reason: FinishReason = FinishReason.STOP
) -> list[tuple[str, str]]:
    """Return where the text of an answer does not conform to a schema."""
    schema_text = schema if isinstance(schema, str) else json.dumps(schema)
    text = answer if isinstance(answer, str) else json.dumps(answer)
    features = Features(response_format=ResponseFormat(json_schema=schema_text))
    (check,) = check_answer(features, (text,), finish_reason)
    assert check.tool_call_id == ""
    return [(one.pointer, one.keyword) for one in check.violations]


def test_nothing_is_checked_where_nothing_was_asked_for() -> None:
    assert check_answer(Features(), ("a",), FinishReason.STOP) == ()
    tools = Features(tools=(Tool(name="now"),))
    call = ToolCall(id="1", name="now", arguments_json="{}")
    stray = ToolCall(id="2", name="other", arguments_json="{}")
    assert check_answer(tools, (call, stray), FinishReason.TOOL_CALLS) == ()


def test_each_call_of_a_function_with_a_schema_is_checked_and_the_text_beside_is_not() -> None:
    features = Features(
        tools=(Tool(name="add", parameters_json_schema=json.dumps(PERSON)), Tool(name="now")),
        response_format=ResponseFormat(json_schema='{"type":"null"}'),
    )
    parts = (
        "I call.",
        ToolCall(id="1", name="add", arguments_json='{"name":"Ada"}'),
        ToolCall(id="2", name="now", arguments_json="{}"),
        ToolCall(id="3", name="add", arguments_json='{"name":"A"}'),
        ToolCall(id="4", name="add", arguments_json='{"na'),
    )
    short = SchemaViolation(pointer="/name", keyword="minLength")
    assert check_answer(features, parts, FinishReason.TOOL_CALLS) == (
        OutputCheck(tool_call_id="1"),
        OutputCheck(tool_call_id="3", violations=(short,)),
        OutputCheck(tool_call_id="4", violations=(SchemaViolation(pointer="", keyword="json"),)),
    )


def test_an_answer_of_several_texts_is_one() -> None:
    features = Features(response_format=ResponseFormat(json_schema=json.dumps(PERSON)))
    assert check_answer(features, ('{"name":', '"Ada"}'), FinishReason.STOP) == (OutputCheck(),)


@pytest.mark.parametrize(
    ("answer", "finish_reason", "found"),
    [
        ('{"a": 1}', FinishReason.STOP, []),
        ("[1]", FinishReason.STOP, [("", "type")]),
        ("It is {}.", FinishReason.STOP, [("", "json")]),
        ("", FinishReason.STOP, [("", "json")]),
        ('{"a": 1', FinishReason.MAX_TOKENS, [("", "truncated")]),
        ('{"a": 1', FinishReason.STOP, [("", "json")]),
        ('{"a": 1}', FinishReason.MAX_TOKENS, []),
        ('{"a":' * 512 + "1" + "}" * 512, FinishReason.STOP, []),
        ('{"a":' * 513 + "1" + "}" * 513, FinishReason.STOP, [("", "json")]),
        ('{"a":' * 5000 + "1" + "}" * 5000, FinishReason.STOP, [("", "json")]),
    ],
)
def test_any_json_object_will_do_where_there_is_no_schema(
    answer: str, finish_reason: FinishReason, found: list[tuple[str, str]]
) -> None:
    assert places("", answer, finish_reason) == found


def test_a_number_that_was_cut_may_have_had_more_digits() -> None:
    assert places({"type": "integer"}, "12", FinishReason.MAX_TOKENS) == [("", "truncated")]
    assert places({"type": "integer"}, "12") == []
    assert places({"type": "boolean"}, "true", FinishReason.MAX_TOKENS) == []


@pytest.mark.parametrize(
    ("schema", "answer", "found"),
    [
        (PERSON, {"name": "Ada", "age": 36, "tags": ["a"]}, []),
        (PERSON, {}, [("", "required")]),
        (
            PERSON,
            {"name": "A", "age": -1, "tags": ["a", 1, 2], "x/y": 0, "z": 0},
            [
                ("", "additionalProperties"),
                ("/name", "minLength"),
                ("/age", "minimum"),
                ("/tags/1", "type"),
                ("/tags/2", "type"),
            ],
        ),
        ("false", 1, [("", "not")]),
        ("true", 1, []),
        ({"items": False}, [1], [("", "items")]),
        ({"properties": {"a": False}}, {"a": 1}, [("/a", "properties")]),
        ({"additionalProperties": {"type": "null"}}, {"a/b~": 1}, [("/a~1b~0", "type")]),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, 1, [("", "anyOf")]),
        ({"oneOf": [{}, {}]}, 1, [("", "oneOf")]),
        ({"not": {}}, 1, [("", "not")]),
        (
            {"allOf": [{"type": "null"}, False, {"minimum": 2}]},
            1,
            [("", "allOf"), ("", "type"), ("", "minimum")],
        ),
        ({"contains": {"const": 1}, "minContains": 2}, [1], [("", "contains")]),
        ({"contains": {"const": 1}, "maxContains": 1}, [1, 1], [("", "contains")]),
        ({"propertyNames": {"maxLength": 1}}, {"ab": 1}, [("", "propertyNames")]),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, [("", "dependentRequired")]),
        (
            {"dependentSchemas": {"a": {"required": ["b"]}, "c": False}},
            {"a": 1},
            [("", "required")],
        ),
        ({"if": {"const": 1}, "then": {"type": "null"}}, 1, [("", "type")]),
        ({"if": {"const": 1}, "else": {"type": "null"}}, 2, [("", "type")]),
        ({"if": True, "then": False}, 2, [("", "then")]),
        (
            {"properties": {"a": True}, "unevaluatedProperties": False},
            {"b": 1},
            [("", "unevaluatedProperties")],
        ),
        ({"prefixItems": [True], "unevaluatedItems": False}, [1, 2], [("", "unevaluatedItems")]),
        (
            {"prefixItems": [{"type": "null"}], "items": {"type": "string"}},
            [1, 2],
            [("/0", "type"), ("/1", "type")],
        ),
        (
            {
                "patternProperties": {"^a": {"type": "null"}},
                "additionalProperties": {"type": "string"},
            },
            {"a": 1, "b": 2, "c": "d"},
            [("/a", "type"), ("/b", "type")],
        ),
        (
            {"items": {"$ref": "#/$defs/a%20b~1"}, "$defs": {"a b/": {"type": "null"}}},
            [1],
            [("/0", "type")],
        ),
        (
            {"items": {"$ref": "#a"}, "$defs": {"b": {"$anchor": "a", "type": "null"}}},
            [1],
            [("/0", "type")],
        ),
        ({"items": {"$ref": "#/x"}, "x": {"type": "null"}}, [1], [("/0", "type")]),
        (
            {
                "items": {"$dynamicRef": "#a"},
                "$defs": {"b": {"$dynamicAnchor": "a", "type": "null"}},
            },
            [1],
            [("/0", "type")],
        ),
        (
            {
                "$id": "https://example.com/a",
                "items": {"$ref": "#/$defs/a"},
                "$defs": {"a": {"type": "null"}},
            },
            [1],
            [("/0", "type")],
        ),
        (
            {"$schema": DRAFT_07, "items": [{"type": "null"}], "additionalItems": False},
            [1, 2],
            [("", "additionalItems"), ("/0", "type")],
        ),
        ({"$schema": DRAFT_07, "items": {"type": "null"}}, [1], [("/0", "type")]),
        (
            {"$schema": DRAFT_07, "dependencies": {"a": ["b"], "c": {"required": ["d"]}}},
            {"a": 1, "c": 1},
            [("", "dependencies"), ("", "required")],
        ),
        (
            {
                "$schema": DRAFT_07,
                "type": "null",
                "$ref": "#/definitions/a",
                "definitions": {"a": {"type": "string"}},
            },
            1,
            [("", "type")],
        ),
        ({"enum": ["a", "b"]}, "c", [("", "json")]),
        ({"enum": ["a", "b"]}, '"c"', [("", "enum")]),
        ({"format": "date"}, '"no date"', []),
        ({"$schema": DRAFT_07, "format": "date"}, '"no date"', []),
        ({"const": 9007199254740993}, "9007199254740993", []),
        ({"const": 9007199254740993}, "9007199254740992", [("", "const")]),
    ],
)
def test_places_that_do_not_conform_are_told_with_the_keyword(
    schema: object, answer: object, found: list[tuple[str, str]]
) -> None:
    if not isinstance(schema, str):
        assert find_problem(json.dumps(schema)) is None
    assert places(schema, answer) == found
    assert places(schema, answer) == found


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(schemas(), documents)
def test_violations_are_told_where_the_validator_finds_some_and_only_there(
    schema: dict[str, Any], document: object
) -> None:
    text = json.dumps(schema)
    assume(find_problem(text) is None)
    conforms = jsonschema_rs.Draft202012Validator(
        schema, offline=True, validate_formats=False
    ).is_valid(document)
    found = check_document(text, document)
    assert conforms is (found == ())
    assert len(found) <= 10


def test_what_only_the_whole_finds_is_told_without_a_place() -> None:
    assert places('{"maximum": 1e300}', "1" + "0" * 400) in (
        [("", "maximum")],
        [("", "unchecked")],
    )


def test_ten_places_are_told_and_long_pointers_are_those_of_what_holds_them() -> None:
    assert len(places({"items": {"type": "string"}}, list(range(100)))) == 10
    long = {"items": {"additionalProperties": {"type": "null"}}}
    assert places(long, [{"a" * 300: 1}]) == [("/0", "type")]


@pytest.mark.parametrize("union", ["allOf", "anyOf", "oneOf"])
def test_recursion_in_two_branches_takes_as_long_as_in_one(union: str) -> None:
    branch = {"properties": {"x": {"$ref": "#/$defs/a"}}}
    schema = {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", union: [branch, branch]}}}
    answer: object = 1
    for _ in range(60):
        answer = {"x": answer}
    (place,) = places(schema, answer)
    assert place in ((("/x" * 60), "type"), ("", union))


def test_what_would_take_too_long_is_not_checked_and_does_not_conform() -> None:
    unchecked = [("", "unchecked")]
    assert places({"items": {"type": "null"}}, "[" + "1," * MAX_VALUES + "1]") == unchecked
    many = {"items": {"anyOf": [{"const": number} for number in range(900)]}}
    assert places(many, [1] * 9) == []
    assert places(many, [1] * 20_000) == unchecked
    looking = {"items": {"pattern": r"(?=(a*))x\1b"}}
    assert places(looking, ["ax"]) == [("/0", "pattern")]
    assert places(looking, ["a" * 30_000]) == unchecked
    assert places(looking | {"properties": {"a": {}}}, {"a" * 30_000: True}) == unchecked
    enums = {"items": {"enum": list(range(8000)), "uniqueItems": True}}
    assert places(enums, [1] * 20_000) == unchecked


def test_a_pattern_that_gives_up_does_not_match() -> None:
    assert places({"pattern": r"^(a+)+\1$"}, json.dumps("a" * 100 + "!")) == [("", "pattern")]


def test_the_search_for_a_place_ends_where_it_takes_too_long() -> None:
    answer = [0] * 100_000 + ["a"]
    assert places({"items": {"type": "number"}}, answer) == [("", "unchecked")]
    links = {f"a{number}": {"allOf": [{"$ref": f"#/$defs/a{number + 1}"}]} for number in range(600)}
    chain = {"$ref": "#/$defs/a0", "$defs": links | {"a600": {"type": "null"}}}
    assert places(chain, "1") == [("", "unchecked")]


def test_a_schema_that_was_never_looked_through_is_not_checked_against() -> None:
    assert places({"$ref": "https://example.com/"}, "1") == [("", "unchecked")]


def test_no_reference_is_fetched_even_if_it_gets_so_far() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)  # noqa: FBT003
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        for target in (address, "file:///etc/hostname"):
            with pytest.raises(ValueError, match="Retrieval is disabled"):
                compile_schema({"$ref": target}, DRAFT_07)
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("{}", True),
        (' {"a": [1, {"b": null}]} ', True),
        ('{"a": 9007199254740993, "b": 1e999}', True),
        ('{"a":' * 32 + "1" + "}" * 32, True),
        ('{"a":' * 33 + "1" + "}" * 33, False),
        ('{"a":' * 100_000, False),
        ('{"a": "' + "[{" * 100 + '\\""}', True),
        ('{"a": [' + "[]," * 100 + "[]]}", True),
        ('{"a": [' + "[]," * 70_000 + "[]]}", False),
        ("[]", False),
        ("1", False),
        ("", False),
        ("{} {}", False),
        ('{"a": 1', False),
        ("{'a': 1}", False),
        ('{"a": NaN}', False),
        ('{"a": "\ud800"}', False),
    ],
)
def test_arguments_are_one_json_object(text: str, *, is_one: bool) -> None:
    assert is_json_object(text) is is_one


NESTED = st.recursive(
    st.sampled_from(['"', "]{", "[[[[", "\\", ""]) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("[]{}", max_size=2), inner),
)


@given(inner=NESTED, opened=st.integers(27, 32), kind=st.sampled_from(["[]", "{}"]))
def test_arguments_are_as_deep_as_their_brackets_outside_of_texts(
    inner: object, opened: int, kind: str
) -> None:
    document: object = inner
    for _ in range(opened - 1):
        document = [[], document, [[[]]]] if kind == "[]" else {"a": {}, "]": document}
    text = json.dumps({"a": document})

    assert is_json_object(text) == (depth_of(json.loads(text)) <= MAX_DEPTH)


@pytest.mark.parametrize(("levels", "is_one"), [(32, True), (33, False), (10_000, False)])
def test_the_deepest_arguments_have_32_levels(levels: int, *, is_one: bool) -> None:
    assert is_json_object('{"a":' * levels + "1" + "}" * levels) is is_one
