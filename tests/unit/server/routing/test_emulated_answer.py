"""Reading what a model writes that was told of tools: the same pieces for every cut."""

import json
import random
from dataclasses import replace

import pytest

from llmsvc_server.chat.events import AnswerEvents, Delta, Done
from llmsvc_server.chat.features import Features, ResponseFormat, Tool
from llmsvc_server.chat.parts import AnswerParts, CallPiece, Part, ToolCall
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.emulated_answer import (
    MAX_CALLS_LENGTH,
    EmulatedAnswer,
    read_emulated,
)
from tests.fakes.scripted_provider import done

FEATURES = Features(tools=(Tool(name="f"), Tool(name="g")))
JSON = replace(FEATURES, response_format=ResponseFormat())


def read(*texts: str, features: Features = FEATURES) -> tuple[Part, ...]:
    answer, parts = EmulatedAnswer(features), AnswerParts()
    for text in texts:
        for piece in answer.take(text):
            parts.add(piece)
    for piece in answer.end():
        parts.add(piece)
    return parts.fold()


def answered(text: str, *, ascii_only: bool = False) -> str:
    return json.dumps({"action": "answer", "answer": text}, ensure_ascii=ascii_only)


def every_cut(text: str) -> list[tuple[str, ...]]:
    """Return a text in two at each place, in characters, and in pieces by chance."""
    chance = random.Random(7)  # noqa: S311  no secret
    cuts: list[tuple[str, ...]] = [(text[:at], text[at:]) for at in range(len(text) + 1)]
    cuts.append(tuple(text))
    for _ in range(50):
        at = sorted(chance.choices(range(len(text)), k=4))
        cuts.append(tuple(text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)))
    return cuts


TEXTS = [
    "plain",
    'quotes " and \\ and / and \b\f\n\r\t',
    "naïve 🙂 𝄞 end",
    "braces } ] { [ inside",
    "",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_an_answer_is_the_same_text_for_every_cut(text: str, *, ascii_only: bool) -> None:
    for cut in every_cut(answered(text, ascii_only=ascii_only)):
        assert ((text,) if text else ()) == read(*cut)


def test_an_answer_is_passed_on_while_it_is_written() -> None:
    answer = EmulatedAnswer(FEATURES)

    assert ("hel",) == answer.take(answered("hello")[: -len('lo"}')])


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (r"\ud834x", "\ufffdx"),
        (r"\udd1e", "\ufffd"),
        (r"\ud834\ud834\udd1e", "\ufffd𝄞"),
        (r"\ud834\n", "\ufffd\n"),
        (r"\uzzzz", "\ufffd"),
        (r"\q", "\ufffd"),
    ],
)
def test_an_escape_that_is_none_is_no_failure(escaped: str, text: str) -> None:
    for cut in every_cut(f'{{"action":"answer","answer":"{escaped}"}}'):
        assert (text,) == read(*cut)


@pytest.mark.parametrize(
    "value", ['{"a": [1, "}"], "b": "\\"}"}', "[1, 2]", "12.50", '"a \\\\"', "null"]
)
def test_an_answer_that_is_json_is_passed_on_as_it_was_written(value: str) -> None:
    for cut in every_cut(f'{{ "action": "answer",\n "answer": {value}}}\n'):
        assert (value,) == read(*cut, features=JSON)


def test_calls_have_ids_and_their_arguments_as_they_were_written() -> None:
    arguments = '{"b": 9007199254740993, "a":  1.50}'
    text = f'{{"action":"call_tools","calls":[{{"name":"f","arguments":{arguments}}},'
    text += '{"name":"g","arguments":{}}]}'
    for cut in every_cut(text):
        first, second = read(*cut)
        assert isinstance(first, ToolCall)
        assert isinstance(second, ToolCall)
        assert ("f", arguments) == (first.name, first.arguments_json)
        assert ("g", "{}") == (second.name, second.arguments_json)
        assert first.id.startswith("call_")
        assert first.id != second.id


@pytest.mark.parametrize(
    "text",
    [
        "The sky is blue.",
        '{"sky": "blue"}',
        '{"action": "sing", "song": 1}',
        '{"action": "answer", "answer": 12}',
        "{",
        " " * 300 + "late",
        '{"action"' + " " * 300,
    ],
)
def test_what_is_no_such_object_is_an_answer_as_it_stands(text: str) -> None:
    for cut in every_cut(text):
        assert (text,) == read(*cut)


@pytest.mark.parametrize(
    "rest",
    [
        "",
        '"calls":[]}',
        '"calls":[{"name":"f"}]}',
        '"calls":[{"name":"f","argu',
        '"calls":[{"name":1,"arguments":{}}]}',
        '"calls":[{"name":"h","arguments":{}}]}',
        '"calls":[{"name":"f","arguments":[]}]}',
        '"calls":' + "[" * 100_000,
    ],
)
def test_calls_that_cant_be_read_are_a_failure_of_the_model(rest: str) -> None:
    with pytest.raises(ProviderError) as failed:
        read('{"action":"call_tools",', rest)

    assert (ErrorKind.NONCONFORMING, "toolCall") == (failed.value.kind, failed.value.cause)


def test_calls_without_end_are_a_failure_of_the_model() -> None:
    answer = EmulatedAnswer(FEATURES)
    answer.take('{"action":"call_tools","calls":[')
    answer.take("[" * (MAX_CALLS_LENGTH // 2))

    with pytest.raises(ProviderError):
        answer.take("[" * (MAX_CALLS_LENGTH // 2))


def test_only_calls_are_calls() -> None:
    answer = EmulatedAnswer(FEATURES)
    answer.take(answered("x"))
    assert [] == [one for one in answer.end() if isinstance(one, CallPiece)]
    assert not answer.has_calls


@pytest.mark.parametrize("is_end", [True, False], ids=["at its end", "within"])
async def test_who_runs_the_attempt_sees_what_is_wrong_with_the_answer(*, is_end: bool) -> None:
    seen: list[ProviderError] = []

    async def attempt() -> AnswerEvents:
        try:
            yield Delta(answered("x"))
            yield done()
        except ProviderError as error:
            seen.append(error)
            raise

    wrong = ProviderError(ErrorKind.NONCONFORMING)
    events = read_emulated(attempt(), FEATURES)
    event = await anext(events)
    if is_end:
        event = await anext(events)
    with pytest.raises(ProviderError) as failed:
        await events.athrow(wrong)

    assert is_end == isinstance(event, Done)
    assert [wrong] == seen
    assert wrong is failed.value


async def test_one_that_breaks_off_gives_no_end() -> None:
    async def attempt() -> AnswerEvents:
        yield Delta(answered("x")[:-3])

    assert [] == [
        event async for event in read_emulated(attempt(), FEATURES) if isinstance(event, Done)
    ]
