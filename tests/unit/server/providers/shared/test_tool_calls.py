"""What is made of the tool calls of an answer before they are passed on."""

import re
from dataclasses import replace

import pytest

from llmsvc_server.chat.features import Features, Tool, ToolChoice
from llmsvc_server.chat.parts import MAX_ARGUMENTS_BYTES, MAX_CALLS, CallPiece, ToolCall, ToolResult
from llmsvc_server.chat.request import ChatRequest, Message, Role
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.shared.tool_calls import (
    DROPPED,
    ToolCalls,
    told,
)
from tests.fakes.requests import chat_request

MADE = re.compile(r"call_[0-9a-f]{24}")
WEATHER = Tool(name="get_weather")


def asking(choice: ToolChoice | None = None, *history: Message) -> ChatRequest:
    """Return a request that offers two tools."""
    asked = chat_request()
    features = Features(tools=(WEATHER, Tool(name="get_time")), choice=choice or ToolChoice())
    return replace(asked, messages=(*history, *asked.messages), features=features, is_plain=False)


def calls(choice: ToolChoice | None = None, *history: Message) -> ToolCalls:
    return ToolCalls(asking(choice, *history))


def begun(taker: ToolCalls, call_id: object = "c1", arguments: str = "{}") -> CallPiece:
    piece = taker.begin(call_id, "get_weather", arguments)
    assert piece is not None
    return piece


def test_a_call_is_passed_on_as_it_is() -> None:
    assert CallPiece(id="c1", name="get_weather", arguments_json="{}") == begun(calls())


@pytest.mark.parametrize("odd", ["", None, 7, "a b", "é", "x" * 257, "a\n"])
def test_an_id_that_is_missing_or_odd_is_made(odd: object) -> None:
    assert MADE.fullmatch(begun(calls(), odd).id)


def test_an_id_that_comes_twice_is_made() -> None:
    taker = calls()

    ids = [begun(taker, "c1").id for _ in range(3)]

    assert "c1" == ids[0]
    assert 3 == len(set(ids))


def test_an_id_of_an_earlier_turn_is_made() -> None:
    call = ToolCall(id="c1", name="get_weather", arguments_json="{}")
    history = (
        Message(role=Role.ASSISTANT, parts=(call,)),
        Message(role=Role.TOOL, parts=(ToolResult(call_id="c1", content="11 C"),)),
    )

    assert MADE.fullmatch(begun(calls(None, *history), "c1").id)


@pytest.mark.parametrize("name", ["", None, 7, "get_news", ["get_time"], {}])
def test_a_function_that_is_not_offered_is_bad_output(name: object) -> None:
    with pytest.raises(ProviderError) as raised:
        calls().begin("c1", name)

    assert (ErrorKind.NONCONFORMING, "toolCall") == (raised.value.kind, raised.value.cause)


def test_a_function_that_is_not_allowed_is_bad_output() -> None:
    with pytest.raises(ProviderError):
        calls(ToolChoice(allowed=("get_time",))).begin("c1", "get_weather")


def test_arguments_go_on_without_a_name() -> None:
    taker = calls()
    begun(taker, arguments='{"a"')

    assert CallPiece(arguments_json=":1}") == taker.go_on(":1}")
    assert taker.go_on("") is None


def test_arguments_may_be_as_long_as_they_could_be_sent_back() -> None:
    taker = calls()
    begun(taker, arguments="é" * (MAX_ARGUMENTS_BYTES // 2 - 1))
    taker.go_on("ab")

    with pytest.raises(ProviderError) as raised:
        taker.go_on("c")

    assert ErrorKind.NONCONFORMING is raised.value.kind


def test_arguments_that_are_too_long_at_once_are_bad_output() -> None:
    with pytest.raises(ProviderError):
        begun(calls(), arguments="x" * (MAX_ARGUMENTS_BYTES + 1))


def test_the_bound_is_of_one_call() -> None:
    taker = calls()
    for _ in range(2):
        begun(taker, arguments="x" * MAX_ARGUMENTS_BYTES)

    assert 2 == taker.delivered


def test_a_character_that_was_cut_in_two_is_joined() -> None:
    taker = calls()

    first = begun(taker, arguments='{"a":"\ud83c')
    second = taker.go_on('\udf0a"}')

    assert ('{"a":"', '🌊"}') == (first.arguments_json, second and second.arguments_json)


def test_half_a_character_is_never_passed_on() -> None:
    taker = calls()
    begun(taker, arguments="\ud83c")

    assert "\ufffd{}" == begun(taker, arguments="\udf0a{}").arguments_json


def test_too_many_calls_are_bad_output() -> None:
    taker = calls()
    for _ in range(MAX_CALLS):
        begun(taker)

    with pytest.raises(ProviderError):
        begun(taker)


def test_one_call_at_most_is_passed_on_where_that_is_asked_for() -> None:
    taker = calls(ToolChoice(single_call=True))
    begun(taker, arguments="{")

    assert CallPiece(arguments_json="}") == taker.go_on("}")
    assert not taker.adjustments
    assert taker.begin("c2", "get_news", "{") is None
    assert taker.go_on("}") is None
    assert (DROPPED,) == taker.adjustments


@pytest.mark.parametrize("failed", [False, True])
def test_a_result_is_told_in_words_where_there_is_no_field_for_failures(*, failed: bool) -> None:
    result = ToolResult(call_id="c1", content="no such city", failed=failed)

    assert ("Error: " if failed else "") + "no such city" == told(result)


def test_a_request_without_tools_has_nothing_to_take_calls() -> None:
    assert ToolCalls.of(chat_request()) is None
    assert ToolCalls.of(asking()) is not None
