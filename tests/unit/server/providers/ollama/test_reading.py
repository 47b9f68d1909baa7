"""How the bytes of an answer become events: docs/facts/ollama.md 3."""

import itertools
import json
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.events import SIGN_OF_LIFE, Delta, Done
from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.providers.ollama.reader import OllamaReader
from tests.fakes.recordings import VERSIONS, Recording, cases, recording
from tests.fakes.unfinished import tails
from tests.unit.server.providers.ollama.lines import last, line, thought
from tests.unit.server.providers.ollama.outcomes import Outcome, events_of, outcome_of

STOP = Done(finish_reason=FinishReason.STOP, provider_finish_reason="stop", usage=Usage())


def test_gives_one_delta_per_read_and_then_the_end() -> None:
    reads = [line("a") + line("b"), line("c"), last()]

    assert [Delta("ab"), Delta("c"), STOP] == list(events_of(reads))


def test_takes_text_on_the_final_line_along() -> None:
    assert Outcome("ab", done=STOP) == outcome_of([line("a") + last(text="b")])


def test_takes_an_answer_that_is_the_final_line_alone() -> None:
    assert [Delta("all"), STOP] == list(events_of([last(text="all")]))


def test_takes_an_empty_answer() -> None:
    assert [STOP] == list(events_of([last()]))


def test_takes_a_final_line_without_its_newline() -> None:
    assert Outcome("ab", done=STOP) == outcome_of([line("a"), last(text="b").rstrip()])


def test_takes_done_reason_without_done_as_the_end() -> None:
    assert Outcome("a", done=STOP) == outcome_of([line("a"), line(done_reason="stop")])


@pytest.mark.parametrize(
    "after",
    [
        *(b"<html>\xff\n", b"<html>", b"null\n", b'"x"\n', b"\n \n", b"[DONE]\n", b"{}\n"),
        *(b'{"message":\n', b'{"message":', line()),
    ],
)
def test_minds_nothing_after_the_end_that_is_no_content(after: bytes) -> None:
    assert Outcome("a", done=STOP) == outcome_of([line("a") + last() + after])


@pytest.mark.parametrize("content", [line("b"), thought("hm")])
@pytest.mark.parametrize("end", [last(text="x"), line(done_reason="stop")])
def test_content_after_a_reason_takes_it_back(end: bytes, content: bytes) -> None:
    body = line("a") + end + content

    assert "C07" == outcome_of([body]).row
    assert STOP == outcome_of([body, last()]).done


@pytest.mark.parametrize(
    "after", [line("b"), thought("hm"), line(message={"tool_calls": [{}]}), b'{"error":"EOF"}\n']
)
def test_nothing_after_a_last_line_that_stands_alone_is_looked_at(after: bytes) -> None:
    expected = Outcome("a", done=STOP)

    assert expected == outcome_of([line("a") + last() + after + last("length")])
    assert expected == outcome_of([line("a"), last(), after, last("length")])
    assert expected == outcome_of([line("a") + last() + after + b"<html>\n"])
    assert expected == outcome_of([line("a") + (last() + after).rstrip()])


def test_a_taken_back_reason_is_not_told() -> None:
    early = line(done_reason="length", eval_count=1)
    *_, done = events_of([line("a"), early, line("b"), last(eval_count=2)])

    assert isinstance(done, Done)
    assert (FinishReason.STOP, 2) == (done.finish_reason, done.usage.output_tokens)


def test_reads_on_where_every_line_says_that_it_is_the_last() -> None:
    words = [line(f" w{n}", done_reason="stop") for n in range(12)]

    assert Outcome("".join(f" w{n}" for n in range(12)), done=STOP) == outcome_of([*words, last()])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([line("a"), last()], True),
        ([line("a") + last()], True),
        ([line("a"), line(done_reason="stop")], True),
        ([last()], False),
        ([thought("hm"), last()], False),
        ([last(text="a")], False),
        ([line("a", done_reason="stop")], False),
        ([line("a", done_reason="stop"), line("b", done_reason="stop")], False),
        ([line("a"), line(done_reason="stop"), line("b")], False),
    ],
)
def test_believes_an_end_by_silence_that_came_alone_behind_text(
    lines: list[bytes], *, expected: bool
) -> None:
    reader = OllamaReader(None, tails())
    for one in lines:
        reader.take(one)

    assert expected == reader.ending.is_believed


@pytest.mark.parametrize("nothing", [b"\n", b" \r\n", b"null\n", b" null \n"])
def test_passes_over_lines_without_anything_anywhere(nothing: bytes) -> None:
    body = nothing + line("a") + nothing + line("b") + nothing + last() + nothing

    assert Outcome("ab", done=STOP) == outcome_of([body])


def test_passes_over_lines_that_say_nothing() -> None:
    odd = b"\n" + line(logprobs=[{"token": "x"}], unknown={"a": [1]}) + b'\r\n{"done":false}\n'

    assert [Delta("a"), STOP] == list(events_of([odd, line("a"), last()]))


def test_takes_null_for_absent() -> None:
    empty = line(message=None, done_reason=None, remote_host=None, error=None)
    nulls = line(message={"role": None, "content": None, "thinking": None})

    assert [Delta("a"), STOP] == list(events_of([empty, nulls, line("a"), last(eval_count=None)]))


def test_shows_thinking_as_a_sign_of_life_and_drops_its_text() -> None:
    reads = [thought("hm"), thought("so") + line("a"), last()]

    assert [SIGN_OF_LIFE, Delta("a"), STOP] == list(events_of(reads))


CALL: list[object] = [{"function": {"name": "f", "arguments": {"city": "Oslo"}}}]


def called(text: str = "", **extra: object) -> bytes:
    return line("", message={"content": text, "tool_calls": CALL}, **extra)


@pytest.mark.parametrize(
    "lines",
    [
        [called(), last()],
        [called("a"), last()],
        [line("a"), called(), last()],
        [called(done=True, done_reason="stop")],
        [called("a", done=True)],
    ],
)
def test_tells_of_a_tool_call_and_leaves_it_out(lines: list[bytes]) -> None:
    *signs, done = events_of(lines)

    assert signs
    assert isinstance(done, Done)
    assert FinishReason.OTHER is done.finish_reason
    assert [("tools", Action.IGNORED)] == [(one.field, one.action) for one in done.adjustments]


def test_a_limit_that_ends_a_tool_call_is_told_as_one() -> None:
    *_, done = events_of([called(), last("length")])

    assert isinstance(done, Done)
    assert FinishReason.MAX_TOKENS is done.finish_reason


@pytest.mark.parametrize("none", [None, [], {}])
def test_an_empty_list_of_tool_calls_is_none(none: object) -> None:
    assert STOP == outcome_of([line(message={"content": "a", "tool_calls": none}), last()]).done


def test_a_tool_call_behind_a_reason_takes_it_back() -> None:
    assert "C07" == outcome_of([line("a"), line(done_reason="stop"), called()]).row


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([{"type": "text", "text": "a"}, {"type": "thinking", "thinking": "b"}], "a"),
        ([{"type": "text", "text": "a"}, {"type": "new", "text": "x"}, "b"], "ab"),
        ({"type": "text", "text": "a"}, "a"),
        ([], ""),
    ],
)
def test_takes_content_in_parts(content: object, expected: str) -> None:
    parts = line(message={"content": content})

    assert Outcome(expected, done=STOP) == outcome_of([parts, last()])
    assert Outcome(expected * 2, done=STOP) == outcome_of([parts + parts + last()])


def test_gives_thinking_parts_as_a_sign_of_life() -> None:
    thinking = line(message={"content": [{"type": "thinking", "thinking": []}]})

    assert [SIGN_OF_LIFE, STOP] == list(events_of([thinking, last()]))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("stop", (FinishReason.STOP, "stop")),
        ("length", (FinishReason.MAX_TOKENS, "length")),
        ("", (FinishReason.STOP, "")),
        ("content_filter", (FinishReason.OTHER, "content_filter")),
        ("w" * 32, (FinishReason.OTHER, "w" * 32)),
        ("w" * 33, (FinishReason.OTHER, "")),
        ("SECRET words", (FinishReason.OTHER, "")),
        ("Stop", (FinishReason.OTHER, "")),
        ("secret\n", (FinishReason.OTHER, "")),
    ],
)
def test_knows_why_an_answer_ended(word: str, expected: tuple[FinishReason, str]) -> None:
    *_, done = events_of([line("a"), last(word)])

    assert isinstance(done, Done)
    assert expected == (done.finish_reason, done.provider_finish_reason)


@pytest.mark.parametrize(
    ("prompt_tokens", "output_tokens", "expected"),
    [
        (60, 4, FinishReason.CONTEXT_LENGTH),
        (60, 5, FinishReason.CONTEXT_LENGTH),
        (60, 3, FinishReason.MAX_TOKENS),
        (None, 64, FinishReason.CONTEXT_LENGTH),
        (None, None, FinishReason.MAX_TOKENS),
    ],
)
def test_tells_a_full_window_from_a_reached_limit(
    prompt_tokens: int | None, output_tokens: int | None, expected: FinishReason
) -> None:
    end = last("length", prompt_eval_count=prompt_tokens, eval_count=output_tokens)
    *_, done = events_of([line("a"), end], window_tokens=64)

    assert isinstance(done, Done)
    assert expected == done.finish_reason


ODD = [12.0, "12", True, 1e300, -1, None, [], {"a": 1}, 10**30, "1" * 5_000]
FIGURES = [
    *("prompt_eval_count", "eval_count", "prompt_eval_cached_count", "total_duration"),
    *("load_duration", "prompt_eval_duration", "eval_duration", "created_at", "model"),
]


@pytest.mark.parametrize("odd", ODD)
def test_no_odd_figure_costs_an_answer(odd: object) -> None:
    assert Outcome("a", done=STOP) == outcome_of(
        [line("a"), last("stop", "", **dict.fromkeys(FIGURES, odd))]
    )


@pytest.mark.parametrize("literal", [b"1e400", b"-Infinity", b"NaN", b'"\\ud83d"', b"1" * 5_000])
def test_no_odd_literal_in_a_figure_costs_an_answer(literal: bytes) -> None:
    end = last(eval_count=4711).replace(b"4711", literal)
    outcome = outcome_of([line("a"), end])

    assert ("a", True) == (outcome.text, outcome.done is not None)


@pytest.mark.parametrize("odd", [5, True, {"a": 1}, ["stop"]])
def test_takes_a_reason_that_is_no_word_for_one_that_it_does_not_know(odd: object) -> None:
    *_, done = events_of([line("a"), line(done=True, done_reason=odd)])

    assert isinstance(done, Done)
    assert (FinishReason.OTHER, "") == (done.finish_reason, done.provider_finish_reason)


def test_minds_nothing_odd_beside_the_text() -> None:
    message = {"role": 5, "content": "a", "thinking": True}
    odd = line(message=message, logprobs="x", remote_host=[], done="no", done_reason={})

    assert Outcome("a", done=STOP) == outcome_of([odd, last()])


def test_reports_counts_that_came_and_no_others() -> None:
    *_, done = events_of([last(eval_count=7)])

    assert isinstance(done, Done)
    assert Usage(input_tokens=None, output_tokens=7) == done.usage


def test_passes_adjustments_on_with_the_end() -> None:
    adjustments = (Adjustment(field="f", action=Action.CLAMPED, description="d"),)
    reader = OllamaReader(None, tails())
    reader.take(last())

    assert adjustments == reader.end(adjustments).adjustments


def answers() -> list[Recording]:
    """Return the recorded streamed chats that were answered under 200."""
    found = [
        recording(version, case)
        for version in VERSIONS
        for case in cases(version)
        if recording(version, case).path == "/api/chat"
    ]
    return [
        one
        for one in found
        if one.status == HTTPStatus.OK
        and one.response_headers.get("content-type", "").endswith("ndjson")
        and b"####" not in one.response
    ]


@pytest.mark.parametrize("recorded", answers(), ids=lambda one: f"{one.version}-{one.case}")
def test_reads_every_recorded_stream_whatever_its_cuts(recorded: Recording) -> None:
    said = [json.loads(part) for part in recorded.body.splitlines()]
    contents = [one.get("message", {}).get("content", "") for one in said]
    ended = bool(said[-1].get("done"))
    whole = outcome_of([recorded.body])
    by_byte = outcome_of(recorded.body[at : at + 1] for at in range(len(recorded.body)))

    assert ("".join(contents), ended) == (whole.text, whole.done is not None)
    assert whole == by_byte


@given(
    st.lists(
        st.sampled_from(
            [
                *(line("a"), line("é🌊"), line(" again"), line(), thought("hm"), b"\n"),
                *(last(), last("length", "z", eval_count=3), b'{"error":"x"}\n', b"<html>\n"),
                *(line("<&>").replace(b"<", b"\\u003c"), b'{"done":false}\n', b"{}\n"),
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
