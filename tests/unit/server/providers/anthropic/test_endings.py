"""When an answer has ended, and what of its last words counts: docs/failover.md 3.3, ADR-026."""

import pytest

from llmsvc_server.chat.usage import FinishReason
from llmsvc_server.providers.anthropic.reader import AnthropicReader
from tests.fakes.unfinished import tails
from tests.unit.server.providers.anthropic.outcomes import Outcome, ended, outcome_of
from tests.unit.server.providers.anthropic.transcripts import (
    STOP,
    begin,
    marker,
    opened,
    said,
    thought,
)

END = marker() + STOP


@pytest.mark.parametrize(
    "after", [b"data: <html>\n\n", b"data: {\n\n", b"event: message_stop\ndata: x\n\n", b"data: {"]
)
def test_minds_nothing_after_the_end_that_is_no_content(after: bytes) -> None:
    assert Outcome("a", done=ended()) == outcome_of([begin() + said("a") + END + after])


@pytest.mark.parametrize("content", [said("b"), thought("hm"), opened(text="b")])
def test_content_after_a_reason_takes_it_back(content: bytes) -> None:
    body = begin() + said("a") + marker() + content

    assert "C07" == outcome_of([body]).row
    assert ended() == outcome_of([body + END]).done
    assert "C07" == outcome_of([body + said("c") + STOP]).row


@pytest.mark.parametrize("content", [said("b"), thought("hm"), opened(text="b"), b"data: {\n\n"])
def test_nothing_after_the_last_event_is_looked_at(content: bytes) -> None:
    body = begin() + said("a") + END + content

    assert Outcome("a", done=ended()) == outcome_of([body])
    assert Outcome("a", done=ended()) == outcome_of([body + marker("max_tokens") + STOP])


def test_a_taken_back_reason_is_not_told() -> None:
    reads = [begin(), said("a"), marker("max_tokens"), said("b"), marker("stop_sequence"), STOP]

    assert ended(FinishReason.STOP_SEQUENCE, "stop_sequence") == outcome_of(reads).done


@pytest.mark.parametrize(
    "end",
    [
        *(b"data: [DONE]\n\n", b"data: [done] \n\n", b"event: done\ndata: [DONE]\n\n"),
        *(b"data:\n\n", b"data: null\n\n", b"data: \r\n\r\n" + STOP),
        *(b"data: {broken\n\n", b"data: [DO"),
    ],
)
def test_needs_no_last_event_as_the_protocol_has_it(end: bytes) -> None:
    assert Outcome("a", done=ended()) == outcome_of([begin() + said("a") + marker() + end])


@pytest.mark.parametrize("nothing", [b"data:\n\n", b"data:  \n\n", b"data: null\n\n"])
def test_passes_over_empty_data_anywhere(nothing: bytes) -> None:
    body = nothing + begin() + nothing + said("a") + nothing + said("b") + nothing + END + nothing

    assert Outcome("ab", done=ended()) == outcome_of([body])


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([begin(), said("a"), marker()], True),
        ([begin(), marker()], False),
        ([begin(), thought("hm"), marker()], False),
        ([begin(), marker(), said("a"), marker()], False),
        ([begin(), said("a"), marker(), said("b")], False),
    ],
)
def test_believes_a_reason_by_silence_that_came_alone_behind_text(
    events: list[bytes], *, expected: bool
) -> None:
    reader = AnthropicReader(tails())
    for event in events:
        reader.take(event)

    assert expected == reader.ending.is_believed


def test_is_believed_with_the_stop_reason_and_over_with_the_last_event() -> None:
    reader = AnthropicReader(tails())
    reader.take(begin() + said("a") + marker(None))
    before = (reader.ending.is_believed, reader.over)
    reader.take(marker())
    between = (reader.ending.is_believed, reader.over)
    delta = reader.take(STOP + said("b") + marker() + STOP)

    assert [(False, False), (True, False)] == [before, between]
    assert (None, True) == (delta, reader.over)
