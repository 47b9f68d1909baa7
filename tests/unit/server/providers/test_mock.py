import json
from contextlib import aclosing
from typing import Any

import pytest

from llmsvc_server.chat.adjustment import Action
from llmsvc_server.chat.events import Delta, Done
from llmsvc_server.chat.features import (
    Capability,
    ChoiceMode,
    Features,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from llmsvc_server.chat.parts import Part, ToolCall, ToolResult
from llmsvc_server.chat.request import ChatRequest, Delivery, Message, Role, Sampling
from llmsvc_server.chat.route import Locality, ProviderKind
from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.errors import ProviderError
from llmsvc_server.providers.mock import MockProvider
from tests.fakes.requests import limits_of
from tests.fakes.scripted_provider import names_of
from tests.fakes.whole_answers import answer_of


async def answer(
    *texts: str, sampling: Sampling | None = None, max_output_tokens: int = 1_000
) -> tuple[list[str], Done]:
    """Return the pieces and the end."""
    request = ChatRequest(
        model="mock",
        messages=tuple(Message(role=Role.USER, parts=(text,)) for text in texts or ("hi",)),
        sampling=sampling or Sampling(),
        delivery=Delivery.STREAM,
    )
    provider = MockProvider("mock", model="mock", max_output_tokens=max_output_tokens)
    async with aclosing(provider.stream_chat(request, limits_of())) as events:
        *deltas, done = [event async for event in events]
    assert isinstance(done, Done)
    return [delta.text for delta in deltas if isinstance(delta, Delta)], done


async def test_says_loudly_that_it_is_no_model() -> None:
    pieces, _ = await answer()

    assert "".join(pieces).startswith("CANNED ANSWER: this comes from the mock provider, not")


async def test_says_the_same_every_time_a_word_at_a_time() -> None:
    pieces, done = await answer()

    assert (pieces, done) == await answer()
    assert all(len(piece.split()) == 1 for piece in pieces)


async def test_tells_how_much_it_was_given_and_nothing_of_it() -> None:
    pieces, done = await answer("my secret", "is {words} safe")
    text = "".join(pieces)

    assert "2 messages with 5 words in all" in text
    assert "secret" not in text
    assert Usage(input_tokens=5, output_tokens=len(pieces)) == done.usage


async def test_counts_one_as_one() -> None:
    pieces, _ = await answer("hi")

    assert "1 message with 1 word in all" in "".join(pieces)


@pytest.mark.parametrize(("limit", "most"), [(3, 1_000), (None, 3), (1_000, 3)])
async def test_stops_at_the_limit(limit: int | None, most: int) -> None:
    pieces, done = await answer(sampling=Sampling(max_output_tokens=limit), max_output_tokens=most)

    assert ["CANNED", " ANSWER:", " this"] == pieces
    assert (FinishReason.MAX_TOKENS, 3) == (done.finish_reason, done.usage.output_tokens)


async def test_ends_by_itself_at_just_its_length() -> None:
    pieces, _ = await answer()

    _, done = await answer(max_output_tokens=len(pieces))

    assert FinishReason.STOP is done.finish_reason


@pytest.mark.parametrize(
    ("sequences", "text", "found"),
    [
        (("this",), "CANNED ANSWER: ", "this"),
        (("not", "this"), "CANNED ANSWER: ", "this"),
        (("ANSWER", "ANSW"), "CANNED ", "ANSW"),
        (("CANNED",), "", "CANNED"),
    ],
)
async def test_stops_before_the_first_stop_sequence(
    sequences: tuple[str, ...], text: str, found: str
) -> None:
    pieces, done = await answer(sampling=Sampling(stop_sequences=sequences))

    assert text == "".join(pieces)
    assert (FinishReason.STOP_SEQUENCE, found) == (done.finish_reason, done.stop_sequence)


async def test_names_no_stop_sequence_where_the_limit_came_first() -> None:
    sampling = Sampling(stop_sequences=("provider",), max_output_tokens=2)
    _, done = await answer(sampling=sampling)

    assert (FinishReason.MAX_TOKENS, "") == (done.finish_reason, done.stop_sequence)


async def test_says_which_settings_it_has_no_use_for() -> None:
    sampling = Sampling(temperature=0.0, seed=1, top_k=5, max_output_tokens=5_000)
    _, done = await answer(sampling=sampling)

    assert {
        "generation_config.temperature": Action.IGNORED,
        "generation_config.seed": Action.IGNORED,
        "generation_config.top_k": Action.IGNORED,
        "generation_config.max_output_tokens": Action.CLAMPED,
    } == {one.field: one.action for one in done.adjustments}


async def test_lists_its_own_model_and_no_other() -> None:
    provider = MockProvider("demo", model="canned", max_output_tokens=1)
    catalogue = await provider.catalogue()

    assert ({"canned": "canned"}, {"canned": ""}) == (
        names_of(catalogue),
        catalogue.loaded,
    )
    assert ["canned", "canned", "Canned", None] == [
        provider.identity(name) for name in ("canned", " canned ", "Canned", " ")
    ]


def test_is_a_local_mock_by_its_configured_name() -> None:
    info = MockProvider("demo", model="mock", max_output_tokens=1).info

    assert ("demo", ProviderKind.MOCK, Locality.LOCAL) == (info.name, info.kind, info.locality)


WEATHER = Tool(
    name="get_weather",
    parameters_json_schema=(
        '{"type":"object","properties":{"city":{"type":"string","minLength":3}},"required":["city"]}'
    ),
)
CLOCK = Tool(name="now")


async def featured(
    *parts: tuple[Role, Part],
    max_output_tokens: int = 1_000,
    **features: Any,  # noqa: ANN401  fields of Features
) -> tuple[tuple[Part, ...], Done]:
    """Return the parts of an answer to a request for more than text, and its end."""
    request = ChatRequest(
        model="mock",
        messages=tuple(
            Message(role=role, parts=(part,)) for role, part in parts or ((Role.USER, "hi"),)
        ),
        sampling=Sampling(),
        delivery=Delivery.STREAM,
        features=Features(**features),
        is_plain=False,
    )
    provider = MockProvider("mock", model="mock", max_output_tokens=max_output_tokens)
    return await answer_of(provider, request)


async def test_calls_the_first_tool_with_the_smallest_arguments() -> None:
    (call,), done = await featured(tools=(WEATHER, CLOCK))

    assert isinstance(call, ToolCall)
    assert ("call_canned_1", "get_weather") == (call.id, call.name)
    assert 3 == len(json.loads(call.arguments_json)["city"])
    assert FinishReason.TOOL_CALLS is done.finish_reason


async def test_calls_only_what_may_be_called() -> None:
    (call,), _ = await featured(tools=(WEATHER, CLOCK), choice=ToolChoice(allowed=("now",)))

    assert ToolCall(id="call_canned_1", name="now", arguments_json="{}") == call


async def test_calls_nothing_where_it_must_not() -> None:
    (text,), done = await featured(tools=(CLOCK,), choice=ToolChoice(mode=ChoiceMode.NONE))

    assert isinstance(text, str)
    assert text.startswith("CANNED ANSWER")
    assert FinishReason.STOP is done.finish_reason


async def test_talks_about_a_result_and_tells_nothing_of_it() -> None:
    (text,), _ = await featured(
        (Role.USER, "hi"),
        (Role.ASSISTANT, ToolCall(id="1", name="now", arguments_json="{}")),
        (Role.TOOL, ToolResult(call_id="1", content="my secret")),
        tools=(CLOCK,),
    )

    assert isinstance(text, str)
    assert "1 result of a tool" in text
    assert "secret" not in text


async def test_calls_again_where_it_must() -> None:
    (call,), _ = await featured(
        (Role.ASSISTANT, ToolCall(id="call_canned_1", name="now", arguments_json="{}")),
        (Role.TOOL, ToolResult(call_id="call_canned_1", content="noon")),
        tools=(CLOCK,),
        choice=ToolChoice(mode=ChoiceMode.REQUIRED),
    )

    assert ToolCall(id="call_canned_2", name="now", arguments_json="{}") == call


async def test_fills_a_format() -> None:
    (document,), _ = await featured(
        response_format=ResponseFormat(json_schema='{"type":"array","minItems":2}')
    )

    assert isinstance(document, str)
    assert 2 == len(json.loads(document))
    assert (("{}",), FinishReason.STOP) == (
        (await featured(response_format=ResponseFormat()))[0],
        (await featured(response_format=ResponseFormat()))[1].finish_reason,
    )


async def test_fails_where_nothing_can_conform() -> None:
    with pytest.raises(ProviderError) as failed:
        await featured(response_format=ResponseFormat(json_schema="false"))

    assert "responseFormat" == failed.value.cause


async def test_arguments_have_a_limit_too() -> None:
    (call,), done = await featured(tools=(WEATHER,), max_output_tokens=1)

    assert isinstance(call, ToolCall)
    assert FinishReason.MAX_TOKENS is done.finish_reason


def test_lacks_nothing() -> None:
    provider = MockProvider("mock", model="mock", max_output_tokens=1)

    assert not provider.missing("mock", frozenset(Capability))
