"""Tools as Anthropic takes them, and calls as it gives them."""

import json
from typing import Any

import pytest

from llmsvc_server.chat.events import Delta, pieces_in
from llmsvc_server.chat.features import (
    NO_FEATURES,
    Capability,
    ChoiceMode,
    Features,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from llmsvc_server.chat.parts import AnswerParts, Part, ToolCall, ToolResult
from llmsvc_server.chat.request import ChatRequest, Delivery, Message, Role, Sampling
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.anthropic.features import extras_of
from llmsvc_server.providers.anthropic.profiles import has_formats
from llmsvc_server.providers.anthropic.reader import AnthropicReader
from llmsvc_server.providers.anthropic.settings import settings_for
from llmsvc_server.providers.anthropic.wire import encode_chat
from llmsvc_server.providers.shared.tool_calls import ToolCalls
from tests.fakes.anthropic_adapter import anthropic_at
from tests.fakes.unfinished import tails
from tests.unit.server.providers.anthropic.transcripts import (
    CLOSED,
    STOP,
    begin,
    marker,
    more,
    opened,
    said,
)

SCHEMA = '{"properties": {"n": {"const": 9007199254740993}}, "type": "object"}'
TOOL = Tool(name="f", description="Does f", parameters_json_schema=SCHEMA)
OTHER = Tool(name="g")
HI = (Role.USER, "hi")
CALL = ToolCall(id="c1", name="f", arguments_json='{"n":  1.50}')


def request(*turns: tuple[Role, Part], features: Features = NO_FEATURES) -> ChatRequest:
    return ChatRequest(
        model="claude-x",
        messages=tuple(Message(role=role, parts=(part,)) for role, part in turns or (HI,)),
        sampling=Sampling(),
        delivery=Delivery.WHOLE,
        features=features,
        is_plain=False,
    )


def body(*turns: tuple[Role, Part], features: Features = NO_FEATURES) -> bytes:
    asked = request(*turns, features=features)
    settings = settings_for("claude-x", asked.sampling, temperature=None, max_tokens=10)
    return encode_chat(asked, settings, extras_of(asked))


def sent(*turns: tuple[Role, Part], features: Features = NO_FEATURES) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(body(*turns, features=features))
    return decoded


def test_tools_are_declared_with_the_callers_own_schema() -> None:
    features = Features(tools=(TOOL, OTHER))

    assert SCHEMA.encode() in body(features=features)
    assert [
        {"name": "f", "description": "Does f", "input_schema": json.loads(SCHEMA)},
        {"name": "g", "input_schema": {"type": "object"}},
    ] == sent(features=features)["tools"]
    assert "tool_choice" not in sent(features=features)


def test_a_schema_without_a_type_gets_the_word_that_is_wanted() -> None:
    tool = Tool(name="f", parameters_json_schema='{"required": ["n"]}')

    (declared,) = sent(features=Features(tools=(tool,)))["tools"]
    assert {"type": "object", "required": ["n"]} == declared["input_schema"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice(single_call=True), {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice(mode=ChoiceMode.REQUIRED), {"type": "any"}),
        (
            ToolChoice(mode=ChoiceMode.REQUIRED, allowed=("g",), single_call=True),
            {"type": "tool", "name": "g", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_a_choice_is_put_in_its_words(choice: ToolChoice, expected: dict[str, object]) -> None:
    asked = sent(features=Features(tools=(TOOL, OTHER), choice=choice))

    assert expected == asked["tool_choice"]
    assert list(choice.allowed or ("f", "g")) == [one["name"] for one in asked["tools"]]


def test_who_may_call_nothing_is_offered_nothing() -> None:
    none = Features(tools=(TOOL,), choice=ToolChoice(mode=ChoiceMode.NONE))

    assert not {"tools", "tool_choice"} & sent(features=none).keys()


def test_calls_of_the_history_are_declared_where_nothing_else_is() -> None:
    asked = sent(HI, (Role.ASSISTANT, CALL), (Role.TOOL, ToolResult(call_id="c1", content="x")))

    assert [{"name": "f", "input_schema": {"type": "object"}}] == asked["tools"]
    assert {"type": "none"} == asked["tool_choice"]


def test_results_of_a_turn_and_what_the_user_says_then_are_one_turn() -> None:
    asked = sent(
        HI,
        (Role.ASSISTANT, "Hm."),
        (Role.ASSISTANT, CALL),
        (Role.ASSISTANT, ToolCall(id="odd id!", name="g", arguments_json="{}")),
        (Role.TOOL, ToolResult(call_id="odd id!", content="no", failed=True)),
        (Role.TOOL, ToolResult(call_id="c1", content="yes")),
        (Role.USER, "So?"),
    )
    _, of_model, of_user = asked["messages"]
    text, first, second = of_model["content"]

    assert {"type": "text", "text": "Hm."} == text
    assert ("tool_use", "c1", "f") == (first["type"], first["id"], first["name"])
    assert second["id"].startswith("call_")
    assert [
        {"type": "tool_result", "tool_use_id": second["id"], "content": "no", "is_error": True},
        {"type": "tool_result", "tool_use_id": "c1", "content": "yes"},
        {"type": "text", "text": "So?"},
    ] == of_user["content"]


def test_arguments_go_back_as_they_were_written() -> None:
    assert b'"input":{"n":  1.50}' in body(HI, (Role.ASSISTANT, CALL), HI)


def test_a_format_is_asked_for_with_the_callers_own_schema() -> None:
    closed = (
        '{"type": "object", "properties": {"n": {"type": "number", "const": 1.50}},'
        ' "required": ["n"], "additionalProperties": false}'
    )
    shape = ResponseFormat(json_schema=closed)

    assert closed.encode() in body(features=Features(response_format=shape))


@pytest.mark.parametrize(
    ("model", "can"),
    [
        ("claude-3-5-haiku-latest", False),
        ("claude-sonnet-4-20250514", False),
        ("claude-sonnet-4-5", True),
        ("claude-opus-7", True),
    ],
)
def test_only_models_that_are_known_to_be_older_lack_formats(model: str, *, can: bool) -> None:
    assert can == has_formats(model)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-sonnet-4-5", {Capability.JSON_OBJECT}),
        ("claude-3-opus-20240229", {Capability.JSON_OBJECT, Capability.JSON_SCHEMA}),
        ("claude-opus-5-5", {Capability.JSON_OBJECT, Capability.FORCED_CHOICE}),
        ("claude-fable-5", {Capability.JSON_OBJECT}),
        ("claude-fable-5-1", {Capability.JSON_OBJECT, Capability.FORCED_CHOICE}),
    ],
)
async def test_says_what_a_model_lacks(model: str, expected: set[Capability]) -> None:
    async with anthropic_at("http://127.0.0.1:1") as provider:
        assert expected == provider.missing(model, frozenset(Capability))
        assert not provider.missing(model, frozenset({Capability.TOOLS}))


def answered(*reads: bytes, is_whole: bool = False, tools: bool = True) -> tuple[Part, ...]:
    calls = ToolCalls.of(request(features=Features(tools=(TOOL, OTHER) if tools else ())))
    reader, parts = AnthropicReader(tails(), (), calls), AnswerParts()
    if is_whole:
        reader.expect_whole()
    for read in (*reads, b""):
        event = None if reader.over else reader.take(read)
        if isinstance(event, Delta):
            for piece in pieces_in(event):
                parts.add(piece)
    _ = reader.end()
    return parts.fold()


def use(name: str = "f", call_id: str = "c1", **block: object) -> bytes:
    return opened("tool_use", id=call_id, name=name, **{"input": {}, **block})


def more_of_it(text: str) -> bytes:
    return more("input_json_delta", partial_json=text)


END = marker("tool_use") + STOP


def call(arguments: str, name: str = "f", call_id: str = "c1") -> ToolCall:
    return ToolCall(id=call_id, name=name, arguments_json=arguments)


def test_a_call_comes_in_pieces_between_texts() -> None:
    reads = [begin() + opened() + said("a") + CLOSED, use() + more_of_it(""), more_of_it('{"n":')]

    assert ("a", call('{"n": 1.50}'), "b") == answered(
        *reads, more_of_it(" 1.50}") + CLOSED, opened() + said("b") + CLOSED, END
    )


def test_a_call_without_arguments_has_none() -> None:
    reads = [begin(), use("g"), more_of_it(""), CLOSED, use("g", "c2"), CLOSED, END]

    assert (call("{}", "g"), call("{}", "g", "c2")) == answered(*reads)


def test_arguments_that_come_at_once_are_as_they_were_written() -> None:
    start = use().replace(b'"input":{}', b'"input":{"n":  1.50}')
    assert start != use()

    assert (call('{"n":  1.50}'),) == answered(begin(), start, CLOSED, END)


def test_arguments_that_come_as_a_text_are_those() -> None:
    start = use().replace(b'"input":{}', b'"input":"{\\"n\\": 1}"')
    assert start != use()

    assert (call('{"n": 1}'),) == answered(begin(), start, CLOSED, END)


def test_a_call_ends_where_text_follows_whatever_its_block_says() -> None:
    reads = [begin(), use("g"), said("a"), more_of_it('{"n": 1}'), CLOSED, END]

    assert (call("{}", "g"), "a") == answered(*reads)


def test_an_answer_in_one_body_has_calls_too() -> None:
    whole = (
        b'{"type":"message","content":[{"type":"text","text":"a"},'
        b'{"type":"tool_use","id":"c1","name":"f","input":{"n":  1.50}}],"stop_reason":"tool_use"}'
    )

    assert ("a", call('{"n":  1.50}')) == answered(whole, is_whole=True)


def test_what_a_server_calls_itself_is_nobodys_call() -> None:
    reads = [begin(), opened("server_tool_use", id="s", name="f"), more_of_it("{}"), CLOSED]

    assert ("a",) == answered(*reads, opened() + said("a"), CLOSED, marker() + STOP)


def test_a_call_that_nobody_asked_for_is_left_out() -> None:
    assert ("a",) == answered(begin(), said("a"), use(), more_of_it("{}"), END, tools=False)


@pytest.mark.parametrize("is_whole", [False, True])
def test_arguments_that_can_not_be_told_are_no_answer(*, is_whole: bool) -> None:
    spoilt = b'"input":{"n":"\xff"}'
    start = use().replace(b'"input":{}', spoilt)
    whole = (
        b'{"type":"message","content":[{"type":"tool_use","id":"c1","name":"f",%b}],'
        b'"stop_reason":"tool_use"}'
    )
    reads = [whole % spoilt] if is_whole else [begin(), start, CLOSED, END]

    with pytest.raises(ProviderError) as failed:
        answered(*reads, is_whole=is_whole)

    assert (ErrorKind.NONCONFORMING, "toolCall") == (failed.value.kind, failed.value.cause)


def test_a_call_of_something_else_is_no_answer() -> None:
    with pytest.raises(ProviderError) as failed:
        answered(begin(), use("h"), CLOSED, END)

    assert (ErrorKind.NONCONFORMING, "toolCall") == (failed.value.kind, failed.value.cause)
