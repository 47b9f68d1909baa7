"""What goes out for tools, formats and a conversation with calls."""

import json
from dataclasses import replace
from typing import cast

import pytest

from llmsvc_server.chat.features import (
    Capability,
    ChoiceMode,
    Features,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from llmsvc_server.chat.parts import Refusal, ToolCall, ToolResult
from llmsvc_server.chat.request import ChatRequest, Message, Role
from llmsvc_server.providers.openai.features import extras_of
from llmsvc_server.providers.openai.profiles import missing_at
from llmsvc_server.providers.openai.spelling import Spelling
from llmsvc_server.providers.openai.wire import encode_chat
from tests.fakes.requests import chat_request

Json = dict[str, object]

SCHEMA = '{"type":"object", "properties":{"n":{"const":9007199254740993,"pattern":"^(?:a)+$"}}}'
"""Of a caller's own hand: its bytes tell whether it is passed on as it is."""

STRICT = (
    '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],'
    '"additionalProperties":false}'
)
TOOLS = (
    Tool(name="f", description="Does it", parameters_json_schema=SCHEMA),
    Tool(name="g"),
    Tool(name="h", parameters_json_schema=STRICT),
)
QUESTION = Message(role=Role.USER, parts=("hi",))
CALL = ToolCall(id="c1", name="f", arguments_json='{"n": 9007199254740993}')


def asked(features: Features, *messages: Message) -> ChatRequest:
    return replace(
        chat_request(model="m"), features=features, messages=messages or (QUESTION,), is_plain=False
    )


def body_of(
    request: ChatRequest,
    *,
    is_local: bool = False,
    is_openai: bool = False,
    spelling: Spelling | None = None,
) -> bytes:
    spelling = spelling or Spelling(
        names_choice=not is_local, limits_calls=is_openai, is_strict=is_openai
    )
    return encode_chat(
        request,
        max_tokens=None,
        token_limit_field="max_tokens",  # noqa: S106  tokens of text
        has_usage=False,
        temperature=None,
        is_openai=is_openai,
        is_local=is_local,
        has_short_ids=spelling.has_short_ids,
        extras=extras_of(request, spelling, is_local=is_local),
    )


def sent(
    request: ChatRequest,
    *,
    is_local: bool = False,
    is_openai: bool = False,
    spelling: Spelling | None = None,
) -> Json:
    body = body_of(request, is_local=is_local, is_openai=is_openai, spelling=spelling)
    return cast("Json", json.loads(body))


def turns(*messages: Message, is_local: bool = False, has_short_ids: bool = False) -> object:
    spelling = Spelling(names_choice=True, limits_calls=False, has_short_ids=has_short_ids)
    return sent(asked(Features(), *messages), is_local=is_local, spelling=spelling)["messages"]


def adjusted(request: ChatRequest, *, is_local: bool) -> list[str]:
    spelling = Spelling(names_choice=False, limits_calls=False)
    extras = extras_of(request, spelling, is_local=is_local)
    return [one.field for one in extras.adjustments]


def test_a_service_gets_schemas_as_the_caller_wrote_them() -> None:
    request = asked(Features(tools=TOOLS))
    body = body_of(request)

    assert f'"parameters":{SCHEMA}'.encode() in body
    assert b"strict" not in body
    assert [] == adjusted(request, is_local=False)
    assert [
        {"type": "function", "function": {"name": "f", "description": "Does it"}},
        {"type": "function", "function": {"name": "g"}},
        {"type": "function", "function": {"name": "h"}},
    ] == [
        {**tool, "function": {k: v for k, v in tool["function"].items() if k != "parameters"}}
        for tool in cast("list[dict[str, dict[str, object]]]", sent(request)["tools"])
    ]


def test_the_vendor_is_asked_to_be_strict_where_a_schema_allows_it() -> None:
    declared = sent(asked(Features(tools=TOOLS)), is_openai=True)["tools"]

    strict = [tool["function"].get("strict") for tool in cast("list[dict[str, Json]]", declared)]
    assert [None, None, True] == strict


def test_no_engine_gets_a_schema_of_a_callers_as_it_is() -> None:
    shape = ResponseFormat(json_schema=SCHEMA)
    request = asked(Features(tools=TOOLS, response_format=shape))
    body = body_of(request, is_local=True)

    assert b"pattern" not in body
    assert b"strict" not in body
    assert b'"name":"g","parameters":{"type":"object","properties":{}}' in body
    assert {
        "tools[0].function.parameters_json_schema",
        "response_format.json_schema.schema_json",
    } <= set(adjusted(request, is_local=True))


@pytest.mark.parametrize(
    ("choice", "is_local", "expected", "declared"),
    [
        (ToolChoice(), False, None, "fgh"),
        (ToolChoice(mode=ChoiceMode.REQUIRED), False, "required", "fgh"),
        (ToolChoice(mode=ChoiceMode.NONE), False, None, ""),
        (ToolChoice(allowed=("h", "f")), False, None, "fh"),
        (ToolChoice(mode=ChoiceMode.REQUIRED, allowed=("f", "h")), False, "required", "fh"),
        (
            ToolChoice(mode=ChoiceMode.REQUIRED, allowed=("g",)),
            False,
            {"type": "function", "function": {"name": "g"}},
            "g",
        ),
        (ToolChoice(mode=ChoiceMode.REQUIRED, allowed=("g",)), True, "required", "g"),
    ],
)
def test_a_choice_is_put_as_every_server_knows_it(
    choice: ToolChoice, *, is_local: bool, expected: object, declared: str
) -> None:
    body = sent(asked(Features(tools=TOOLS, choice=choice)), is_local=is_local)
    names = [
        tool["function"]["name"] for tool in cast("list[dict[str, Json]]", body.get("tools", []))
    ]

    assert (expected, list(declared)) == (body.get("tool_choice"), names)


def test_only_the_vendor_is_asked_for_a_single_call() -> None:
    features = Features(tools=TOOLS, choice=ToolChoice(single_call=True))

    assert sent(asked(features), is_openai=True)["parallel_tool_calls"] is False
    assert "parallel_tool_calls" not in sent(asked(features))
    assert "parallel_tool_calls" not in sent(asked(Features(tools=TOOLS)), is_openai=True)


def test_a_format_of_a_schema_has_the_callers_text() -> None:
    shape = ResponseFormat(name="person", json_schema=SCHEMA)

    assert (
        b'"response_format":{"type":"json_schema","json_schema":{"name":"person","schema":'
        + SCHEMA.encode()
        + b"}}"
    ) in body_of(asked(Features(response_format=shape)))


def test_the_vendor_is_asked_for_a_strict_format() -> None:
    shape = ResponseFormat(json_schema=STRICT)
    wanted = sent(asked(Features(response_format=shape)), is_openai=True)["response_format"]

    schema = {"name": "response", "schema": json.loads(STRICT), "strict": True}
    assert {"type": "json_schema", "json_schema": schema} == wanted


@pytest.mark.parametrize(
    ("is_local", "text", "rules"),
    [
        (False, "hi", ["Answer with a JSON object."]),
        (False, "as Json, please", []),
        (True, "hi", []),
    ],
)
def test_any_object_is_asked_for_with_the_word_that_services_want(
    text: str, *, is_local: bool, rules: list[str]
) -> None:
    request = asked(
        Features(response_format=ResponseFormat()), Message(role=Role.USER, parts=(text,))
    )
    body = sent(request, is_local=is_local)

    assert {"type": "json_object"} == body["response_format"]
    turns = cast("list[Json]", body["messages"])
    assert rules == [one["content"] for one in turns if one["role"] == "system"]


def test_any_object_is_asked_for_by_a_schema_where_nothing_else_is_known() -> None:
    spelling = Spelling(names_choice=False, limits_calls=False, has_object_mode=False)
    body = sent(asked(Features(response_format=ResponseFormat())), is_local=True, spelling=spelling)

    schema = {"name": "response", "schema": {"type": "object"}}
    assert {"type": "json_schema", "json_schema": schema} == body["response_format"]


@pytest.mark.parametrize(("is_local", "nothing"), [(True, ""), (False, None)])
def test_calls_and_results_are_turns(*, is_local: bool, nothing: str | None) -> None:
    written = {"name": "f", "arguments": '{"n": 9007199254740993}'}

    assert [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": nothing,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": written},
                {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "content": "11 C", "tool_call_id": "c1"},
        {"role": "tool", "content": "Error: no clock", "tool_call_id": "c2"},
        {
            "role": "assistant",
            "content": "So:",
            "tool_calls": [
                {"id": "c3", "type": "function", "function": {"name": "g", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "content": "", "tool_call_id": "c3"},
    ] == turns(
        Message(role=Role.SYSTEM, parts=("Be brief.",)),
        QUESTION,
        Message(
            role=Role.ASSISTANT, parts=(CALL, ToolCall(id="c2", name="g", arguments_json="{}"))
        ),
        Message(
            role=Role.TOOL,
            parts=(
                ToolResult(call_id="c1", content="11 C"),
                ToolResult(call_id="c2", content="no clock", failed=True),
            ),
        ),
        Message(
            role=Role.ASSISTANT,
            parts=("So", ":", ToolCall(id="c3", name="g", arguments_json="{}")),
        ),
        Message(role=Role.TOOL, parts=(ToolResult(call_id="c3", content=""),)),
        is_local=is_local,
    )


def test_neighbours_of_one_role_are_one_turn_for_an_engine() -> None:
    said = cast(
        "list[Json]",
        turns(
            QUESTION,
            Message(role=Role.USER, parts=("there",)),
            Message(role=Role.ASSISTANT, parts=("Hm.",)),
            Message(role=Role.ASSISTANT, parts=(CALL,)),
            Message(role=Role.TOOL, parts=(ToolResult(call_id="c1", content="a"),)),
            is_local=True,
        ),
    )

    assert ["hi\n\nthere", "Hm.", "a"] == [one["content"] for one in said]
    assert "tool_calls" in said[1]


@pytest.mark.parametrize(
    ("call_id", "has_short_ids", "is_kept"),
    [
        ("call_0123456789abcdef01234567", False, True),
        ("chatcmpl-tool-0123456789abcdef0123456789abcdef", False, False),
        ("a.b", False, False),
        ("aB3dE5gH7", True, True),
        ("call_0123456789abcdef01234567", True, False),
    ],
)
def test_an_id_that_a_server_would_refuse_is_another_in_both_places(
    call_id: str, *, has_short_ids: bool, is_kept: bool
) -> None:
    call = replace(CALL, id=call_id)
    result = ToolResult(call_id=call_id, content="a")
    _, calling, answer = cast(
        "tuple[Json, dict[str, list[Json]], Json]",
        turns(
            QUESTION,
            Message(role=Role.ASSISTANT, parts=(call,)),
            Message(role=Role.TOOL, parts=(result,)),
            has_short_ids=has_short_ids,
        ),
    )

    [one] = calling["tool_calls"]
    assert one["id"] == answer["tool_call_id"]
    assert is_kept is (one["id"] == call_id)
    assert len(str(one["id"])) == 9 if has_short_ids else len(str(one["id"])) <= 40


@pytest.mark.parametrize(
    ("host", "model", "is_missing"),
    [
        ("api.openai.com", "gpt-4o", False),
        ("127.0.0.1", "deepseek-reasoner", False),
        ("generativelanguage.googleapis.com", "gemini-3-pro", True),
        ("europe-west1-aiplatform.googleapis.com", "google/gemini-3-pro", True),
        ("notgoogleapis.com", "gemini-3-pro", False),
        ("api.deepseek.com", "deepseek-reasoner", True),
        ("api.deepseek.com", "deepseek-chat", False),
    ],
)
def test_what_a_service_lacks_is_known(host: str, model: str, *, is_missing: bool) -> None:
    formats = {Capability.JSON_OBJECT, Capability.JSON_SCHEMA}

    assert (set(Capability) - formats if is_missing else set()) == missing_at(host, model)


NO = Refusal(text="I can't.")


def declined(*parts: str | Refusal | ToolCall, is_openai: bool) -> object:
    """Return the turn with which a model declined, as it is sent back."""
    said = Message(role=Role.ASSISTANT, parts=parts)
    results = [
        Message(role=Role.TOOL, parts=(ToolResult(call_id=part.id, content="ok"),))
        for part in parts
        if isinstance(part, ToolCall)
    ]
    turns = sent(asked(Features(), QUESTION, said, *results, QUESTION), is_openai=is_openai)
    return cast("list[object]", turns["messages"])[1]


def test_a_refusal_goes_back_to_the_vendor_as_it_tells_them() -> None:
    words = {"refusal": "I can't."}

    assert {"role": "assistant", "content": [{**words, "type": "refusal"}]} == declined(
        NO, is_openai=True
    )
    assert {"role": "assistant", "content": "Well.", **words} == declined(
        "Well.", NO, is_openai=True
    )
    called = declined(CALL, NO, is_openai=True)
    assert isinstance(called, dict)
    assert (None, "I can't.", ["c1"]) == (
        called["content"],
        called["refusal"],
        [one["id"] for one in called["tool_calls"]],
    )


def test_to_other_servers_it_is_text() -> None:
    assert {"role": "assistant", "content": "I can't."} == declined(NO, is_openai=False)
    assert {"role": "assistant", "content": "Well.I can't."} == declined(
        "Well.", NO, is_openai=False
    )
