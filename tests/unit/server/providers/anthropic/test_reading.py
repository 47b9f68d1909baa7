"""How the bytes of an answer become events: docs/facts/providers.md 2.3 to 2.5."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.events import SIGN_OF_LIFE, Delta, Done
from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.providers.anthropic.reader import AnthropicReader
from tests.fakes.anthropic_stage import event_of
from tests.fakes.unfinished import tails
from tests.unit.server.providers.anthropic.outcomes import (
    Outcome,
    ended,
    events_of,
    outcome_of,
)
from tests.unit.server.providers.anthropic.transcripts import (
    CLOSED,
    PING,
    STOP,
    TEXT,
    TRANSCRIPT,
    begin,
    failed,
    marker,
    more,
    opened,
    said,
    thought,
)

END = marker() + STOP


def test_gives_one_delta_per_read_and_then_the_end() -> None:
    reads = [begin() + opened() + PING, said("a") + said("b"), said("c") + CLOSED, END]

    assert [Delta("ab"), Delta("c"), ended()] == list(events_of(reads))


def test_nothing_that_is_no_content_gives_an_event() -> None:
    reads = [begin(), PING, opened("text", text=""), said(""), CLOSED, END]

    assert [ended()] == list(events_of(reads))


def test_shows_thinking_as_a_sign_of_life_and_drops_its_text() -> None:
    reads = [begin(), thought("hm"), thought("so") + said("a"), END]

    assert [SIGN_OF_LIFE, Delta("a"), ended()] == list(events_of(reads))


@pytest.mark.parametrize("kind", ["thinking", "redacted_thinking"])
def test_the_beginning_of_hidden_thinking_is_a_sign_of_life(kind: str) -> None:
    signature = more("signature_delta", signature="c2ln")

    assert [SIGN_OF_LIFE, ended()] == list(
        events_of([begin(), opened(kind), signature, CLOSED, END])
    )


def test_takes_text_with_which_a_block_begins() -> None:
    assert Outcome("ab", done=ended()) == outcome_of([begin(), opened(text="a"), said("b"), END])


@pytest.mark.parametrize(
    "odd",
    [
        event_of("some_new_event", {"delta": 5, "content_block": []}),
        b": a comment\n\n",
        more("citations_delta", citation={"type": "x"}),
        more("some_new_delta", text="hidden"),
        opened("some_new_block", text="hidden"),
        b"event: ping\ndata: anything\n\n",
        b'data: {"type":"some_new_event"}\n\n',
        b"data: {}\n\n",
        b"id: 7\nretry: 5\n\n",
    ],
)
def test_passes_over_what_it_does_not_know(odd: bytes) -> None:
    assert Outcome("ab", done=ended()) == outcome_of([begin(), said("a"), odd, said("b"), END])


@pytest.mark.parametrize("kind", ["tool_use", "server_tool_use", "mcp_tool_use"])
@pytest.mark.parametrize("before", [b"", said("a")])
@pytest.mark.parametrize("word", ["end_turn", "tool_use", "stop_sequence"])
def test_tells_of_a_tool_call_and_leaves_it_out(word: str, before: bytes, kind: str) -> None:
    call = opened(kind, id="toolu_1", name="f", input={})
    reads = [begin(), before, call, more("input_json_delta", partial_json='{"'), marker(word), STOP]
    *signs, done = events_of(reads)

    assert SIGN_OF_LIFE in signs
    assert isinstance(done, Done)
    assert (FinishReason.OTHER, word, "") == (
        done.finish_reason,
        done.provider_finish_reason,
        done.stop_sequence,
    )
    assert [("tools", Action.IGNORED)] == [(one.field, one.action) for one in done.adjustments]


def test_a_limit_that_ends_a_tool_call_is_told_as_one() -> None:
    done = outcome_of([begin(), opened("tool_use"), marker("max_tokens"), STOP]).done

    assert done is not None
    assert FinishReason.MAX_TOKENS is done.finish_reason
    assert ["tools"] == [one.field for one in done.adjustments]


def test_a_reason_behind_a_tool_call_is_doubtful() -> None:
    reader = AnthropicReader(tails())
    reader.take(begin() + said("a") + opened("tool_use") + marker("tool_use"))

    assert not reader.ending.is_believed


def test_knows_an_event_without_a_name_by_its_type() -> None:
    nameless = b"".join(
        part for part in TRANSCRIPT.splitlines(keepends=True) if not part.startswith(b"event:")
    )

    assert Outcome(TEXT, done=ended()) == outcome_of([nameless])


@pytest.mark.parametrize("body", [begin() + said("a") + marker(), TRANSCRIPT[:-1]])
def test_a_stop_reason_is_enough_at_the_bodys_end(body: bytes) -> None:
    assert ended() == outcome_of([body]).done


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("end_turn", (FinishReason.STOP, "end_turn")),
        ("stop_sequence", (FinishReason.STOP_SEQUENCE, "stop_sequence")),
        ("max_tokens", (FinishReason.MAX_TOKENS, "max_tokens")),
        ("refusal", (FinishReason.REFUSAL, "refusal")),
        (
            "model_context_window_exceeded",
            (FinishReason.CONTEXT_LENGTH, "model_context_window_exceeded"),
        ),
        ("pause_turn", (FinishReason.OTHER, "pause_turn")),
        ("tool_use", (FinishReason.OTHER, "tool_use")),
        ("w" * 64, (FinishReason.OTHER, "w" * 64)),
        ("w" * 65, (FinishReason.OTHER, "other")),
        ("SECRET words", (FinishReason.OTHER, "other")),
        ("secret\n", (FinishReason.OTHER, "other")),
    ],
)
def test_knows_why_an_answer_ended(word: str, expected: tuple[FinishReason, str]) -> None:
    done = outcome_of([begin(), said("a"), marker(word), STOP]).done

    assert done is not None
    assert expected == (done.finish_reason, done.provider_finish_reason)


def test_an_answer_that_is_refused_halfway_keeps_its_text() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "secret"}
    reads = [begin(), said("a"), marker("refusal", stop_details=details), STOP]

    assert Outcome("a", done=ended(FinishReason.REFUSAL, "refusal")) == outcome_of(reads)


@pytest.mark.parametrize(
    ("sequence", "expected"), [("§", "§"), ("secret", ""), (None, ""), (["§"], ""), (5, "")]
)
def test_names_the_stop_sequence_if_it_is_one_of_the_requests(
    sequence: object, expected: str
) -> None:
    reads = [begin(), said("a"), marker("stop_sequence", sequence), STOP]
    *_, done = events_of(reads, stop_sequences=("x", "§"))

    assert ended(FinishReason.STOP_SEQUENCE, "stop_sequence", sequence=expected) == done


def test_counts_as_input_what_the_cache_had_to_do_with() -> None:
    done = outcome_of([begin(), marker(), STOP]).done

    assert done is not None
    assert (26, 2, 4) == (
        done.usage.input_tokens,
        done.usage.cached_input_tokens,
        done.usage.cache_write_input_tokens,
    )


def test_a_later_count_replaces_an_earlier_one() -> None:
    first = marker(None, usage={"input_tokens": 30, "output_tokens": 5})
    second = marker(usage={"output_tokens": 12, "cache_read_input_tokens": 0})
    done = outcome_of([begin(), first, second, STOP]).done

    assert done is not None
    assert done.usage == Usage(
        input_tokens=34,
        output_tokens=12,
        cached_input_tokens=0,
        cache_write_input_tokens=4,
    )


def test_the_output_of_the_beginning_is_no_count() -> None:
    done = outcome_of([begin(), marker(usage={}), STOP]).done

    assert done is not None
    assert (26, None) == (done.usage.input_tokens, done.usage.output_tokens)


@pytest.mark.parametrize(
    "odd", [*(-1, True, 1.5, "5", None, [], 10**10), {"input_tokens": 5}, 10**30]
)
def test_takes_no_count_that_cannot_be_one(odd: object) -> None:
    usage = {"input_tokens": odd, "output_tokens": odd, "cache_read_input_tokens": odd}
    done = outcome_of([begin(usage), marker(usage=usage), STOP]).done

    assert done is not None
    assert Usage() == done.usage


@pytest.mark.parametrize("usage", [5, "x", [1]])
def test_odd_usage_does_not_break_an_answer(usage: object) -> None:
    reads = [begin(), said("a"), marker(usage=usage), STOP]

    assert "a" == outcome_of(reads).text
    assert outcome_of(reads).done is not None


@pytest.mark.parametrize("odd", [5, True, {"type": "x"}, ["end_turn"]])
def test_takes_a_reason_that_is_no_word_for_one_that_it_does_not_know(odd: object) -> None:
    reader = AnthropicReader(tails())
    reader.take(begin() + said("a") + marker(odd, odd))
    is_believed = reader.ending.is_believed
    reader.take(b"")

    assert not is_believed
    assert ended(FinishReason.OTHER, "other") == reader.end()


def test_minds_nothing_odd_about_a_beginning() -> None:
    odd = begin(content="", stop_reason=5, model=7, role=[], type=None)

    assert ended() == outcome_of([odd, opened(kind="text", text=None), said("a"), END]).done


@pytest.mark.parametrize("odd", [*("", "secret words", "x" * 129, "a\n"), 5, None, ["msg_1"]])
def test_passes_on_no_id_that_cannot_be_one(odd: object) -> None:
    assert ended(answer_id="") == outcome_of([begin(id=odd), END]).done


def test_passes_adjustments_on_with_the_end() -> None:
    adjustments = (Adjustment(field="f", action=Action.CLAMPED, description="d"),)
    reader = AnthropicReader(tails())
    reader.take(begin() + END)

    assert adjustments == reader.end(adjustments).adjustments


def test_takes_a_whole_answer_in_one_body() -> None:
    message = {
        "type": "message",
        "id": "msg_01Fake",
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "all"}],
        "stop_reason": "max_tokens",
        "usage": {
            "input_tokens": 20,
            "cache_creation_input_tokens": 4,
            "cache_read_input_tokens": 2,
            "output_tokens": 9,
        },
    }
    body = json.dumps(message).encode()
    expected = [Delta("all"), ended(FinishReason.MAX_TOKENS, "max_tokens")]

    assert expected == list(events_of([body[:30], body[30:]], is_whole=True))


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_reads_a_transcript_the_same_at_every_split_point(newline: bytes) -> None:
    body = TRANSCRIPT.replace(b"\n", newline)
    expected = Outcome(TEXT, done=ended())

    assert all(expected == outcome_of([body[:at], body[at:]]) for at in range(len(body)))
    assert expected == outcome_of(body[at : at + 1] for at in range(len(body)))


def test_a_transcript_cut_before_its_stop_reason_never_succeeds() -> None:
    marked = TRANSCRIPT.index(marker()) + len(marker().rstrip())

    for at in range(len(TRANSCRIPT)):
        outcome = outcome_of([TRANSCRIPT[:at]])
        assert (at >= marked) == (outcome.done is not None)
        assert at >= marked or "C07" == outcome.row
        assert TEXT.startswith(outcome.text)


@given(
    st.lists(
        st.sampled_from(
            [
                *(begin(), PING, opened(), said("a"), said("é🌊"), said(""), thought("hm")),
                *(CLOSED, marker(), marker("max_tokens"), marker(None), STOP),
                *(failed("overloaded_error"), b"data: <html>\n\n", b"\n", b": x\n\n"),
                *(b"event: error\n", b"event: error\ndata: x\n\n", b"data: 5\n\n"),
                said("x").replace(b"\n", b"\r\n"),
            ]
        ),
        max_size=12,
    ),
    st.lists(st.integers(min_value=0, max_value=2_000), max_size=8),
)
def test_depends_on_the_bytes_and_not_on_their_cuts(parts: list[bytes], cuts: list[int]) -> None:
    body = b"".join(parts)
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    pieces = [body[start:end] for start, end in itertools.pairwise(places)]

    assert outcome_of([body]) == outcome_of(pieces)


@given(st.binary(max_size=200), st.integers(min_value=0, max_value=200))
def test_makes_something_of_any_bytes(body: bytes, cut: int) -> None:
    assert outcome_of([body]) == outcome_of([body[:cut], body[cut:]])
    assert outcome_of([body], is_whole=True).done is None


def test_an_empty_answer_is_one() -> None:
    *events, done = events_of([begin(), END])

    assert [] == events
    assert isinstance(done, Done)
