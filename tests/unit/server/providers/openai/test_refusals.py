"""What becomes of the words with which a model declines, however they come."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from llmsvc_server.chat.events import Done, Pieces
from llmsvc_server.chat.features import Features, Tool
from llmsvc_server.chat.parts import Part, Refusal, ToolCall
from llmsvc_server.chat.usage import FinishReason
from llmsvc_server.providers.shared.answer_reader import MAX_REFUSALS
from llmsvc_server.providers.shared.tool_calls import ToolCalls
from tests.fakes.openai_stage import encode
from tests.fakes.requests import chat_request
from tests.fakes.whole_answers import fold
from tests.unit.server.providers.openai.chunks import DONE, chunk, error, finish, text
from tests.unit.server.providers.openai.outcomes import events_of, failure_of

NO = Refusal(text="I can't do that.")
DECLINED = (chunk({"refusal": "I can't"}), chunk({"refusal": " do that."}))


def told(reads: Iterable[bytes], *, is_whole: bool = False) -> tuple[tuple[Part, ...], Done]:
    """Return parts and end of an answer to a request that offers a tool."""
    asked = replace(chat_request(), features=Features(tools=(Tool(name="f"),)), is_plain=False)
    return fold(events_of(reads, is_whole=is_whole, calls=ToolCalls.of(asked)))


@pytest.mark.parametrize("word", ["stop", "length", "content_filter"])
def test_a_refusal_is_no_text_and_has_its_own_reason(word: str) -> None:
    parts, done = told([*DECLINED, finish(word), DONE])

    assert (NO,) == parts
    assert (FinishReason.REFUSAL, word) == (done.finish_reason, done.provider_finish_reason)


def test_each_read_is_one_piece_and_content_at_once() -> None:
    first, second, _ = events_of([*DECLINED, finish() + DONE])

    assert [Pieces("I can't", (Refusal(text="I can't"),))] == [first]
    assert [Pieces(" do that.", (Refusal(text=" do that."),))] == [second]


def test_pieces_of_one_read_are_one() -> None:
    [pieces, _] = events_of([b"".join(DECLINED) + finish() + DONE])

    assert Pieces(NO.text, (NO,)) == pieces


def test_what_was_said_before_and_after_stays_text() -> None:
    parts, done = told([text("Well. "), *DECLINED, text("Sorry."), finish(), DONE])

    assert ("Well. ", NO, "Sorry.") == parts
    assert FinishReason.REFUSAL is done.finish_reason


def test_content_and_refusal_of_one_chunk_are_two_parts() -> None:
    parts, _ = told([chunk({"content": "a", "refusal": "b"}), finish(), DONE])

    assert ("a", Refusal(text="b")) == parts


@pytest.mark.parametrize("nothing", [None, "", 0, [], {"text": "no"}])
def test_what_is_no_text_declines_nothing(nothing: object) -> None:
    parts, done = told([chunk({"content": "a", "refusal": nothing}), finish(), DONE])

    assert ("a",) == parts
    assert FinishReason.STOP is done.finish_reason


def test_a_whole_answer_declines_as_a_streamed_one() -> None:
    message = {"role": "assistant", "content": None, "refusal": NO.text}
    body = encode({"choices": [{"message": message, "finish_reason": "stop"}]})
    parts, done = told([body], is_whole=True)

    assert (NO,) == parts
    assert FinishReason.REFUSAL is done.finish_reason


@pytest.mark.parametrize("key", ["delta", "message"])
def test_so_does_one_among_parts_of_content(key: str) -> None:
    content = [{"type": "text", "text": "Well."}, {"type": "refusal", "refusal": NO.text}]
    choice = {key: {"content": content}, "finish_reason": "stop"}
    parts, done = told([encode({"choices": [choice]})], is_whole=True)

    assert ("Well.", NO) == parts
    assert FinishReason.REFUSAL is done.finish_reason


@pytest.mark.parametrize("odd", [None, "x", {}, {"type": "refusal"}, {"type": []}])
def test_an_odd_part_of_content_declines_nothing(odd: object) -> None:
    read = chunk({"content": [{"type": "text", "text": "a"}, odd]})
    _, done = told([read, finish(), DONE])

    assert FinishReason.STOP is done.finish_reason


def test_a_refusal_waits_until_the_call_before_it_is_whole() -> None:
    begun = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}
    rest = {"index": 0, "function": {"arguments": "}"}}
    reads = [chunk({"tool_calls": [begun]}), DECLINED[0], chunk({"tool_calls": [rest]})]
    parts, done = told([*reads, DECLINED[1], finish("tool_calls"), DONE])

    assert (ToolCall(id="a", name="f", arguments_json="{}"), NO) == parts
    assert FinishReason.REFUSAL is done.finish_reason


@pytest.mark.parametrize("at_once", [True, False])
def test_a_character_that_was_cut_in_two_is_whole_again(*, at_once: bool) -> None:
    halves = [
        b'data: {"choices":[{"delta":{"refusal":"No \\ud83d"}}]}\n\n',
        b'data: {"choices":[{"delta":{"refusal":"\\ude42."}}]}\n\n',
    ]
    parts, _ = told([*([b"".join(halves)] if at_once else halves), finish(), DONE])

    assert (Refusal(text="No 🙂."),) == parts


def test_half_a_character_is_never_passed_on() -> None:
    half = b'data: {"choices":[{"delta":{"refusal":"\\ud83d"}}]}\n\n'
    parts, _ = told([half, text("a"), finish(), DONE])

    assert ("a",) == parts


def test_a_refusal_has_so_many_pieces() -> None:
    most = chunk({"content": "a", "refusal": "b"}) * MAX_REFUSALS
    parts, _ = told([most, finish(), DONE])

    assert 2 * MAX_REFUSALS == len(parts)
    assert "C08" == failure_of(most, DECLINED[0], finish(), DONE).row


def test_what_fails_behind_a_refusal_fails_in_the_stream() -> None:
    assert "stream" == failure_of(DECLINED[0], error("server_error")).phase
