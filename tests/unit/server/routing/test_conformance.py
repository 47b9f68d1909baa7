"""No answer passes for complete whose calls are of no use, or that the request does not allow."""

from dataclasses import replace

import pytest

from llmsvc_server.chat.events import Delta, Done, Pieces, pieces_of
from llmsvc_server.chat.features import (
    Capability,
    ChoiceMode,
    Features,
    ResponseFormat,
    Tool,
    ToolChoice,
    UnsupportedAction,
)
from llmsvc_server.chat.output_check import OutputCheck, SchemaViolation
from llmsvc_server.chat.parts import CallPiece, Part, ToolCall
from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.chat.request import Delivery
from llmsvc_server.chat.usage import FinishReason
from llmsvc_server.errors import Overloaded, ProviderError, StreamInterrupted
from llmsvc_server.failures import ErrorKind, InterruptCause
from llmsvc_server.routing.held import HeldAnswers
from llmsvc_server.routing.router import FailoverRouter
from tests.fakes.receipts import a_receipt, tried
from tests.fakes.requests import chat_request, in_s
from tests.fakes.scripted_provider import ScriptedProvider, done
from tests.unit.server.routing.asking import mock, ollama, router_over

CITY = '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}'
WEATHER = Tool(name="weather", parameters_json_schema=CITY)
OFFER = Features(tools=(WEATHER, Tool(name="time")))
MUST = replace(OFFER, choice=ToolChoice(mode=ChoiceMode.REQUIRED))
SHAPE = Features(response_format=ResponseFormat(json_schema=CITY))
STRICT_SHAPE = Features(response_format=ResponseFormat(json_schema=CITY, conformance_required=True))
STRICT_OFFER = Features(tools=(replace(WEATHER, conformance_required=True),))

GOOD, BAD = '{"city":"Oslo"}', '{"city":1}'
NOT_A_CITY = (SchemaViolation(pointer="/city", keyword="type"),)


def call(arguments: str = GOOD, *, name: str = "weather", number: str = "1") -> Pieces:
    return pieces_of([CallPiece(id=number, name=name, arguments_json=arguments)])


def ended(reason: FinishReason = FinishReason.STOP) -> Done:
    return replace(done(), finish_reason=reason)


CALLED = ended(FinishReason.TOOL_CALLS)


async def whole(
    router: FailoverRouter, features: Features, receipt: Receipt | None = None
) -> tuple[tuple[Part, ...], Done]:
    request = chat_request(delivery=Delivery.WHOLE, features=features)
    answer = await router.answer(request, in_s(60), receipt or a_receipt())
    return answer.parts, answer.done


async def streamed(
    router: FailoverRouter,
    features: Features,
    given: list[Delta] | None = None,
    receipt: Receipt | None = None,
) -> Done:
    given = [] if given is None else given
    request = chat_request(features=features)
    async with router.stream(request, in_s(60), receipt or a_receipt()) as answer:
        event = answer.first
        while isinstance(event, Delta):
            given.append(event)
            event = await anext(answer.rest)
        return event


async def ending(provider: ScriptedProvider, features: Features, *, unary: bool) -> Done:
    router = await router_over(provider)
    if unary:
        return (await whole(router, features))[1]
    return await streamed(router, features)


each_method = pytest.mark.parametrize("unary", [True, False], ids=["Chat", "ChatStream"])


@each_method
async def test_calls_that_conform_are_said_to(*, unary: bool) -> None:
    split = [
        pieces_of(["so ", CallPiece(id="1", name="weather", arguments_json='{"city"')]),
        pieces_of([CallPiece(arguments_json=':"Oslo"}'), CallPiece(id="2", name="time")]),
        pieces_of([CallPiece(arguments_json="{}")]),
    ]
    end = await ending(ollama(*split, CALLED), OFFER, unary=unary)

    assert (OutputCheck(tool_call_id="1"),) == end.output_checks
    assert FinishReason.TOOL_CALLS is end.finish_reason


@each_method
@pytest.mark.parametrize(
    ("features", "events", "check"),
    [
        (OFFER, [call(BAD), CALLED], OutputCheck(tool_call_id="1", violations=NOT_A_CITY)),
        (SHAPE, [Delta('{"city"'), Delta(":1}"), ended()], OutputCheck(violations=NOT_A_CITY)),
        (SHAPE, [Delta(GOOD), ended()], OutputCheck()),
        (SHAPE, [ended()], OutputCheck(violations=(SchemaViolation(pointer="", keyword="json"),))),
        (
            SHAPE,
            [Delta('{"ci'), ended(FinishReason.MAX_TOKENS)],
            OutputCheck(violations=(SchemaViolation(pointer="", keyword="truncated"),)),
        ),
    ],
)
async def test_what_does_not_conform_is_told_where_that_is_enough(
    features: Features, events: list[Delta | Done], check: OutputCheck, *, unary: bool
) -> None:
    end = await ending(ollama(*events), features, unary=unary)

    assert (check,) == end.output_checks


NO_USE = {
    "no JSON": (OFFER, [call('{"city":'), CALLED], "toolCall"),
    "no object": (OFFER, [call("[]"), CALLED], "toolCall"),
    "nothing": (OFFER, [call(""), CALLED], "toolCall"),
    "cut": (OFFER, [call('{"city'), ended(FinishReason.MAX_TOKENS)], "toolCall"),
    "the second of two": (OFFER, [call(), call("{", number="2"), CALLED], "toolCall"),
    "two of one id": (OFFER, [call("{"), call(), CALLED], "toolCall"),
    "not offered": (OFFER, [call(name="launch"), CALLED], "toolCall"),
    "not allowed": (
        replace(OFFER, choice=ToolChoice(allowed=("time",))),
        [call(), CALLED],
        "toolCall",
    ),
    "required and not made": (MUST, [Delta("no"), ended()], "toolCall"),
    "arguments that must conform": (STRICT_OFFER, [call(BAD), CALLED], "toolCall"),
    "a text that must conform": (STRICT_SHAPE, [Delta(BAD), ended()], "responseFormat"),
}
each_of_no_use = pytest.mark.parametrize(
    ("features", "events", "cause"), NO_USE.values(), ids=NO_USE
)


@each_of_no_use
async def test_of_an_answer_of_no_use_one_more_is_asked(
    features: Features,
    events: list[Delta | Done],
    cause: str,  # noqa: ARG001  of the row, and nobody's here
) -> None:
    good = [Delta(GOOD), ended()] if features.response_format else [call(), CALLED]
    if features.choice.allowed:
        good = [call("{}", name="time"), CALLED]
    receipt = a_receipt()
    first = ollama(*events)
    await whole(await router_over(first, mock(*good)), features, receipt)

    assert first.calls[0].closed
    assert [("ollama", "MODEL_OUTPUT_INVALID"), ("mock", "")] == [
        (one.provider.name, one.reason) for one in tried(receipt)
    ]


@each_of_no_use
async def test_the_second_of_no_use_is_the_last(
    features: Features, events: list[Delta | Done], cause: str
) -> None:
    with pytest.raises(ProviderError, match=ErrorKind.NONCONFORMING) as failed:
        await whole(await router_over(ollama(*events), mock(*events)), features)

    told = failed.value
    assert (cause, "phi3:mini") == (told.cause, told.model)
    assert ("ABORTED", "MODEL_OUTPUT_INVALID") == (told.kind.rules.code, told.kind.rules.reason)


@each_of_no_use
async def test_a_stream_of_no_use_is_told_so_after_its_text(
    features: Features, events: list[Delta | Done], cause: str
) -> None:
    given: list[Delta] = []
    second = mock()
    router = await router_over(ollama(*events), second)
    with pytest.raises(ProviderError, match=ErrorKind.NONCONFORMING) as failed:
        await streamed(router, features, given)

    assert events[:-1] == given
    assert [] == second.calls
    assert failed.value.provider is not None
    assert (cause, "ollama", "phi3:mini") == (
        failed.value.cause,
        failed.value.provider.name,
        failed.value.model,
    )


async def test_an_empty_stream_commits_to_nobody_before_it_is_judged() -> None:
    given: list[Delta] = []
    router = await router_over(ollama(ended()), mock(Delta(GOOD), ended()))
    end = await streamed(router, STRICT_SHAPE, given)

    assert [Delta(GOOD)] == given
    assert (OutputCheck(),) == end.output_checks


@each_method
@pytest.mark.parametrize("reason", [FinishReason.REFUSAL, FinishReason.CONTENT_FILTER])
@pytest.mark.parametrize("features", [MUST, STRICT_SHAPE])
async def test_a_refusal_is_an_answer_and_nobody_laxer_is_asked(
    features: Features, reason: FinishReason, *, unary: bool
) -> None:
    end = await ending(ollama(Delta("no"), ended(reason)), features, unary=unary)

    assert reason is end.finish_reason
    assert all(check.violations for check in end.output_checks)


@each_method
async def test_a_required_call_that_was_not_reached_is_a_cut_answer(*, unary: bool) -> None:
    cut = ended(FinishReason.MAX_TOKENS)

    assert cut == await ending(ollama(Delta("well"), cut), MUST, unary=unary)


DEGRADED = [
    (replace(MUST, unsupported=UnsupportedAction.DEGRADE), "tools"),
    (replace(STRICT_SHAPE, unsupported=UnsupportedAction.DEGRADE), "response_format"),
]


@each_method
@pytest.mark.parametrize(("features", "field"), DEGRADED)
async def test_what_was_left_out_is_told_and_checked_all_the_same(
    features: Features, field: str, *, unary: bool
) -> None:
    provider = ScriptedProvider(
        Delta(GOOD), ended(), models=["phi3:mini"], lacks=frozenset(Capability)
    )
    end = await ending(provider, features, unary=unary)

    assert [field] == [one.field for one in end.adjustments]
    assert provider.calls[0].request.is_plain
    assert (features.response_format is not None) == bool(end.output_checks)


async def test_a_choice_that_was_left_out_requires_nothing() -> None:
    provider = ScriptedProvider(
        Delta("no"), ended(), models=["phi3:mini"], lacks=frozenset({Capability.FORCED_CHOICE})
    )
    features = replace(MUST, unsupported=UnsupportedAction.DEGRADE)
    end = await ending(provider, features, unary=True)

    assert ["tool_choice"] == [one.field for one in end.adjustments]


async def test_parts_come_as_they_were_written() -> None:
    parts, _ = await whole(await router_over(ollama(Delta("so "), call(), CALLED)), OFFER)

    assert ("so ", ToolCall(id="1", name="weather", arguments_json=GOOD)) == parts


def held(max_each_bytes: int, max_bytes: int) -> HeldAnswers:
    return HeldAnswers(max_each_bytes=max_each_bytes, max_bytes=max_bytes)


async def test_of_a_stream_only_what_is_checked_is_gathered() -> None:
    room = held(64, 1024)
    text = [Delta("x" * 60) for _ in range(5)]
    router = await router_over(ollama(*text, call(), CALLED), held=room)
    end = await streamed(router, OFFER)

    assert (OutputCheck(tool_call_id="1"),) == end.output_checks
    assert 0 == room.bytes


async def test_a_stream_that_must_be_gathered_is_as_long_as_answers_may_be() -> None:
    room = held(64, 1024)
    router = await router_over(ollama(*[Delta("x" * 60) for _ in range(5)], ended()), held=room)
    with pytest.raises(StreamInterrupted) as broken:
        await streamed(router, SHAPE)

    assert (InterruptCause.PROVIDER, 0) == (broken.value.cause, room.bytes)


async def test_a_stream_that_finds_no_room_beside_others_ends_as_overloaded() -> None:
    room = held(64, 64)
    room.add("another", 60)
    router = await router_over(ollama(Delta("x" * 30), Delta("x" * 30), ended()), held=room)
    with pytest.raises((StreamInterrupted, Overloaded)) as broken:
        await streamed(router, SHAPE)

    assert isinstance(broken.value, StreamInterrupted)
    assert (InterruptCause.OVERLOAD, 60) == (broken.value.cause, room.bytes)


async def test_nothing_follows_the_end() -> None:
    router = await router_over(ollama(Delta(GOOD), ended()))
    async with router.stream(chat_request(features=SHAPE), in_s(60), a_receipt()) as answer:
        [end] = [event async for event in answer.rest]

    assert isinstance(end, Done)
    assert (OutputCheck(),) == end.output_checks


async def test_who_leaves_a_stream_leaves_nothing_behind() -> None:
    room = held(64, 1024)
    provider = ollama(Delta("a"), Delta("b"), ended())
    router = await router_over(provider, held=room)
    async with router.stream(chat_request(features=SHAPE), in_s(60), a_receipt()) as answer:
        await anext(answer.rest)
        assert 2 == room.bytes

    assert 0 == room.bytes
    assert provider.calls[0].closed
