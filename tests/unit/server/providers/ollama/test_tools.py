"""Tools and formats as an Ollama gets them, and calls as it gives them."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from llmsvc_server.chat.events import SIGN_OF_LIFE, Delta, Done, Pieces, pieces_in
from llmsvc_server.chat.features import (
    Capability,
    ChoiceMode,
    Features,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from llmsvc_server.chat.parts import MAX_ARGUMENTS_BYTES, CallPiece, Piece, ToolCall, ToolResult
from llmsvc_server.chat.request import ChatRequest, Message, Role
from llmsvc_server.chat.usage import FinishReason
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.ollama.features import extras_of
from llmsvc_server.providers.ollama.wire import encode_chat
from llmsvc_server.providers.shared.tool_calls import ToolCalls
from llmsvc_server.schemas.wall import fenced
from tests.conformance.subjects import ollama_at
from tests.fakes.requests import chat_request
from tests.unit.server.providers.ollama.lines import last, line, thought
from tests.unit.server.providers.ollama.outcomes import events_of

WEATHER = Tool(
    name="get_weather",
    description="Weather now",
    parameters_json_schema='{"type":"object","properties":{"city":{"type":"string"}}}',
)
TIME = Tool(name="get_time")
FEATURES = Features(tools=(WEATHER, TIME))


def asking(features: Features = FEATURES, *messages: Message) -> ChatRequest:
    asked = chat_request(model="m")
    return replace(asked, messages=messages or asked.messages, features=features, is_plain=False)


def sent(request: ChatRequest) -> dict[str, object]:
    body: dict[str, object] = json.loads(encoded(request))
    return body


def encoded(request: ChatRequest) -> bytes:
    return encode_chat(
        request,
        num_ctx=None,
        num_predict=1,
        keep_alive_s=0,
        temperature=None,
        extras=extras_of(request.features),
    )


def called(arguments: object = None, **extra: object) -> bytes:
    """Return a line with a call of `get_time`, its newline included."""
    function = {"name": "get_time", "arguments": {} if arguments is None else arguments}
    return line(message={"content": "", "tool_calls": [{"function": function, **extra}]})


def read(lines: Sequence[bytes], features: Features = FEATURES) -> tuple[list[Piece], Done]:
    """Return the pieces of an answer that asks for calls, and its end."""
    *events, done = events_of(lines, calls=ToolCalls.of(asking(features)))
    pieces: list[Piece] = []
    for event in events:
        if isinstance(event, Delta):
            pieces += pieces_in(event)
    assert isinstance(done, Done)
    return pieces, done


def failure(lines: Sequence[bytes]) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        read(lines)
    return raised.value


def test_declares_tools_in_order() -> None:
    parameters = fenced(WEATHER.parameters_json_schema).schema
    weather = {"name": "get_weather", "description": "Weather now", "parameters": parameters}
    time = {"name": "get_time", "parameters": {"type": "object", "properties": {}}}

    assert [
        {"type": "function", "function": weather},
        {"type": "function", "function": time},
    ] == sent(asking())["tools"]


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        (ToolChoice(mode=ChoiceMode.NONE), []),
        (ToolChoice(allowed=("get_time",)), ["get_time"]),
        (ToolChoice(mode=ChoiceMode.REQUIRED), ["get_weather", "get_time"]),
    ],
)
def test_declares_what_may_be_called_only(choice: ToolChoice, names: list[str]) -> None:
    tools = sent(asking(replace(FEATURES, choice=choice))).get("tools", [])

    assert isinstance(tools, list)
    assert names == [tool["function"]["name"] for tool in tools]
    assert bool(names) == ("tools" in sent(asking(replace(FEATURES, choice=choice))))


def test_arguments_are_of_an_object_whatever_else_a_schema_says() -> None:
    tool = Tool(name="f", parameters_json_schema='{"properties":{"a":{"type":"string"}}}')

    tools = sent(asking(Features(tools=(tool,))))["tools"]

    assert isinstance(tools, list)
    assert "object" == tools[0]["function"]["parameters"]["type"]


def test_asks_for_json_by_its_word() -> None:
    assert "json" == sent(asking(Features(response_format=ResponseFormat())))["format"]


def test_says_which_schemas_are_not_enforced_as_a_whole() -> None:
    hostile = '{"type":"object","properties":{"a":{"type":"string","pattern":"(?:a)"}}}'
    harmful = Tool(name="f", parameters_json_schema=hostile)
    shape = ResponseFormat(json_schema=hostile)
    asked = asking(Features(tools=(TIME, harmful), response_format=shape))

    extras = extras_of(asked.features)

    assert [
        "tools[1].function.parameters_json_schema",
        "response_format.json_schema.schema_json",
    ] == [one.field for one in extras.adjustments]
    assert b"(?:" not in encoded(asked)


def test_a_history_of_calls_keeps_their_arguments_byte_for_byte() -> None:
    exact = '{"b": 9007199254740993, "a":1.50}'
    history = (
        Message(
            role=Role.ASSISTANT,
            parts=(
                "Let me",
                " see.",
                ToolCall(id="c1", name="get_weather", arguments_json=exact),
                ToolCall(id="c2", name="get_time", arguments_json="{}"),
            ),
        ),
        Message(
            role=Role.TOOL,
            parts=(
                ToolResult(call_id="c2", content="noon"),
                ToolResult(call_id="c1", content="no such city", failed=True),
            ),
        ),
        Message(role=Role.USER, parts=("Well?",)),
    )

    body = encoded(asking(FEATURES, *history))

    assert exact.encode() in body
    turns = json.loads(body)["messages"]
    assert ["assistant", "tool", "tool", "user"] == [turn["role"] for turn in turns]
    assert "Let me see." == turns[0]["content"]
    assert [("c1", 0, "get_weather"), ("c2", 1, "get_time")] == [
        (call["id"], call["function"]["index"], call["function"]["name"])
        for call in turns[0]["tool_calls"]
    ]
    assert {
        "role": "tool",
        "content": "noon",
        "tool_name": "get_time",
        "tool_call_id": "c2",
    } == turns[1]
    assert "Error: no such city" == turns[2]["content"]


def test_one_read_gives_its_texts_and_calls_in_order() -> None:
    reads = [line("a") + line("b") + called(id="c1") + line("c"), last()]

    first, done = events_of(reads, calls=ToolCalls.of(asking()))

    call = CallPiece(id="c1", name="get_time", arguments_json="{}")
    assert isinstance(first, Pieces)
    assert ("ab", call, "c") == first.pieces
    assert "abget_time{}c" == first.text
    assert isinstance(done, Done)
    assert FinishReason.TOOL_CALLS is done.finish_reason


def test_text_alone_is_a_delta_in_an_answer_with_calls_too() -> None:
    events = list(events_of([line("a"), called(), line("b"), last()], calls=ToolCalls.of(asking())))

    assert [Delta, Pieces, Delta, Done] == [type(event) for event in events]


def test_calls_of_one_index_are_several() -> None:
    reads = [
        line(message={"tool_calls": [{"function": {"index": 0, "name": name, "arguments": {}}}]})
        for name in ("get_time", "get_weather")
    ]

    pieces, _ = read([*reads, last()])

    assert ["get_time", "get_weather"] == [
        piece.name for piece in pieces if isinstance(piece, CallPiece)
    ]


def test_a_call_on_the_last_line_is_one() -> None:
    call = {"id": "c1", "function": {"name": "get_time", "arguments": {"a": 1}}}

    pieces, done = read(
        [line("a", message={"content": "a", "tool_calls": [call]}, done=True, done_reason="stop")]
    )

    assert ["a", CallPiece(id="c1", name="get_time", arguments_json='{"a": 1}')] == pieces
    assert FinishReason.TOOL_CALLS is done.finish_reason


def test_the_last_line_ends_an_answer_of_calls_alone_at_once() -> None:
    pieces, done = read([called(), last() + b"rubbish"])

    assert 1 == len(pieces)
    assert not done.adjustments


@pytest.mark.parametrize(
    ("written", "arguments"),
    [
        (b'{ "a" : 9007199254740993 }', '{ "a" : 9007199254740993 }'),
        (b'"{\\"a\\": 1}"', '{"a": 1}'),
        (b"null", "{}"),
        (b"[1]", "[1]"),
        (b'{"a":"\\ud83c"}', '{"a":"\ufffd"}'),
        (b'{"a":"\xff"}', '{"a":"\ufffd"}'),
    ],
)
def test_arguments_are_passed_on_as_they_were_written(written: bytes, arguments: str) -> None:
    call = b'{"message":{"tool_calls":[{"function":{"name":"get_time","arguments":%s}}]}}\n'

    pieces, _ = read([call % written, last()])

    assert [arguments] == [one.arguments_json for one in pieces if isinstance(one, CallPiece)]


@pytest.mark.parametrize("function", [{"name": "get_time"}, {"name": "get_time", "index": "x"}])
def test_a_call_without_arguments_has_none(function: object) -> None:
    pieces, _ = read([line(message={"tool_calls": [{"function": function}]}), last()])

    assert ["{}"] == [one.arguments_json for one in pieces if isinstance(one, CallPiece)]


def test_a_line_that_has_to_be_read_leniently_keeps_its_calls() -> None:
    call = '{"function":{"name":"get_time","arguments":{"n":9007199254740993,"s":"\\ud83c"}}}'
    spoilt = '{"message":{"content":"\\ud83c","tool_calls":[' + call + ']},"done":false}\n'

    pieces, _ = read([spoilt.encode(), last()])

    text, piece = pieces
    assert "\ufffd" == text
    assert isinstance(piece, CallPiece)
    assert '{"n":9007199254740993,"s":"\ufffd"}' == piece.arguments_json


def test_half_a_character_before_a_call_does_not_take_it_along() -> None:
    spoilt = b'{"message":{"content":"a\\ud83c"}}\n'

    pieces, _ = read([spoilt, called(id="c1"), line("b"), last()])

    assert ["a", "\ufffd", CallPiece(id="c1", name="get_time", arguments_json="{}"), "b"] == pieces


@pytest.mark.parametrize("calls", ["x", 7, [7], [{"function": 7}], {"a": 1}, [None]])
def test_calls_of_another_shape_are_no_answer(calls: object) -> None:
    assert "C08" == failure([line(message={"content": "a", "tool_calls": calls}), last()]).row


@pytest.mark.parametrize("calls", [[{}], [{"function": {}}], [{"function": {"name": ["f"]}}]])
def test_a_call_of_nothing_is_bad_output(calls: object) -> None:
    error = failure([line(message={"tool_calls": calls}), last()])

    assert (ErrorKind.NONCONFORMING, "C09") == (error.kind, error.row)


def test_arguments_that_could_not_be_sent_back_are_bad_output() -> None:
    error = failure([called("x" * (MAX_ARGUMENTS_BYTES + 1)), last()])

    assert (ErrorKind.NONCONFORMING, "toolCall") == (error.kind, error.cause)


def test_what_came_before_a_bad_call_is_passed_on_before_the_failure() -> None:
    events = events_of([line("a") + called() + called("x" * 99_999)], calls=ToolCalls.of(asking()))

    assert isinstance(next(events), Pieces)
    with pytest.raises(ProviderError) as raised:
        next(events)
    assert "stream" == raised.value.phase


def test_calls_behind_the_first_are_signs_of_life_where_one_is_wanted() -> None:
    features = replace(FEATURES, choice=ToolChoice(single_call=True))
    reads = [called(), called(), last()]

    events = list(events_of(reads, calls=ToolCalls.of(asking(features))))

    assert isinstance(events[0], Pieces)
    assert SIGN_OF_LIFE == events[1]
    assert isinstance(events[2], Done)
    assert ["tool_choice.single_call"] == [one.field for one in events[2].adjustments]


def test_a_call_that_comes_from_elsewhere_is_not_passed_on() -> None:
    line_of_a_stub = line(
        message={"content": "", "tool_calls": [{"function": {"name": "get_time"}}]},
        remote_host="ollama.com",
    )

    events = events_of([line_of_a_stub], calls=ToolCalls.of(asking()))

    with pytest.raises(ProviderError) as raised:
        next(events)
    assert ErrorKind.VIOLATION is raised.value.kind


def test_a_call_breaks_a_row_of_equal_tokens() -> None:
    lines = [line(" x")] * 29 + [called(), line(" x")]

    assert "C07" == failure(lines).row


@pytest.mark.parametrize(
    "text",
    [
        "error parsing tool call: raw='{...', err=unexpected end of JSON input",
        "XML syntax error on line 4: element <parameter> closed by </function>",
    ],
)
def test_a_parser_that_gives_up_says_that_the_call_is_bad(text: str) -> None:
    error = failure([thought("hm"), json.dumps({"error": text}).encode() + b"\n"])

    assert (ErrorKind.MODEL_OUTPUT, "toolCall") == (error.kind, error.cause)


@pytest.mark.parametrize(
    ("needs", "missing"),
    [
        ({Capability.TOOLS}, set()),
        ({Capability.JSON_SCHEMA}, set()),
        ({Capability.TOOLS, Capability.JSON_SCHEMA}, {Capability.JSON_SCHEMA}),
        ({Capability.TOOLS, Capability.JSON_OBJECT}, {Capability.JSON_OBJECT}),
        ({Capability.TOOLS, Capability.FORCED_CHOICE}, {Capability.FORCED_CHOICE}),
    ],
)
def test_says_what_does_not_go_together(needs: set[Capability], missing: set[Capability]) -> None:
    assert missing == ollama_at("http://127.0.0.1:9").missing("m", frozenset(needs))
