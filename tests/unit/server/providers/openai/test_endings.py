"""When an answer has ended, and what of its last words counts: docs/failover.md 3.3, ADR-026."""

import pytest

from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.providers.openai.reader import OpenaiReader
from tests.fakes.openai_stage import event_of
from tests.fakes.unfinished import tails
from tests.unit.server.providers.openai.chunks import DONE, OTHERS, chunk, finish, text
from tests.unit.server.providers.openai.outcomes import done_of, outcome_of


@pytest.mark.parametrize("rest", [b"", DONE, b"data: [DO", b'data: {"choices":[],"usa'])
def test_has_ended_well_once_the_reason_came(rest: bytes) -> None:
    done = done_of(text("a"), finish(), rest)

    assert (FinishReason.STOP, Usage()) == (done.finish_reason, done.usage)


def test_takes_a_last_event_without_its_blank_line() -> None:
    assert FinishReason.STOP is done_of(text("a"), finish().rstrip()).finish_reason


def test_takes_text_that_comes_after_the_reason() -> None:
    assert "ab" == outcome_of(text("a"), finish(), text("b"), DONE).text


@pytest.mark.parametrize(
    "after", [b"data: <html>\n\n", b"data: {\n\n", b"data: {", b"data: [DONE]\n\n", OTHERS]
)
def test_minds_nothing_behind_the_end_that_is_no_content(after: bytes) -> None:
    assert FinishReason.STOP is done_of(text("a") + finish() + DONE + after).finish_reason


@pytest.mark.parametrize(
    "content",
    [
        text("b"),
        chunk({"reasoning": "hm"}),
        chunk({"refusal": "b"}),
        finish("", delta={"content": "b"}),
    ],
)
def test_content_behind_a_reason_takes_it_back(content: bytes) -> None:
    body = text("a") + finish() + content

    assert "C07" == outcome_of(body).row
    assert "C07" == outcome_of(body + DONE).row
    assert outcome_of(body + finish() + DONE).done is not None


def test_a_taken_back_reason_is_not_told() -> None:
    done = done_of(text("a"), finish("length", stop_reason="x"), text("b"), finish(), stops=("x",))

    assert (FinishReason.STOP, "stop") == (done.finish_reason, done.provider_finish_reason)


def test_reads_on_where_every_piece_says_that_it_is_the_last() -> None:
    words = [finish(delta={"content": f" w{n}"}) for n in range(12)]

    assert "".join(f" w{n}" for n in range(12)) == outcome_of(*words, DONE).text
    assert outcome_of(*words, DONE).done is not None


@pytest.mark.parametrize(
    "end",
    [
        *(b"data: [DONE] \n\n", b"data: [done]\n\n", b"data:  [Done]\n\n", b"data: [DONE]xyz\n\n"),
        *(b"data:\n\n", b"data: null\n\n", b"data: \t\n\n", b"data: {\n\n", b"data: [1]\n\n"),
        *(b"event: end\ndata: bye\n\n", b"data: [DO", b"data: " + b"[" * 100_000 + b"\n\n"),
    ],
)
def test_minds_no_bad_last_word(end: bytes) -> None:
    assert FinishReason.STOP is done_of(text("a"), finish(), end).finish_reason


@pytest.mark.parametrize("nothing", [b"data:\n\n", b"data:  \n\n", b"data: null\n\n"])
def test_passes_over_empty_data_anywhere(nothing: bytes) -> None:
    body = [nothing, text("a"), nothing, text("b"), nothing, finish(), nothing, DONE, nothing]

    assert "ab" == outcome_of(*body).text
    assert outcome_of(*body).done is not None


LAST = finish(delta={"content": "b"})


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([text("a"), finish()], True),
        ([text("a") + finish()], True),
        ([finish()], False),
        ([finish(), text("a"), finish()], False),
        ([chunk({"reasoning": "hm"}), finish()], False),
        ([text("a"), LAST], False),
        ([text("a"), LAST, finish()], False),
        ([text("a"), finish(), text("b")], False),
    ],
)
def test_believes_a_reason_by_silence_that_came_alone_behind_text(
    events: list[bytes], *, expected: bool
) -> None:
    reader = OpenaiReader(tails(), is_local=False)
    for event in events:
        reader.take(event)

    assert expected == reader.ending.is_believed


@pytest.mark.parametrize("odd", [7, True, {"type": "stop"}, ["stop"]])
def test_takes_a_reason_that_is_no_word_for_one_that_it_does_not_know(odd: object) -> None:
    choice = {"index": "0", "delta": {"role": 5, "refusal": {}}, "finish_reason": odd}
    last = event_of({"id": [], "choices": [choice], "usage": {"prompt_tokens": 12.0}})
    reader = OpenaiReader(tails(), is_local=False)
    reader.take(text("a") + last)
    is_believed = reader.ending.is_believed
    done = done_of(text("a"), last)

    assert not is_believed
    assert (FinishReason.OTHER, "other") == (done.finish_reason, done.provider_finish_reason)
    assert Usage() == done.usage


def test_is_over_with_the_word_that_nothing_follows() -> None:
    reader = OpenaiReader(tails(), is_local=False)
    reader.take(text("a") + finish())
    before = (reader.ending.is_believed, reader.over)
    delta = reader.take(DONE + text("b") + finish() + DONE)

    assert (True, False) == before
    assert (None, True) == (delta, reader.over)
