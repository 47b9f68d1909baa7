"""Answers that end well."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsvc_server.chat.adjustment import Action
from llmsvc_server.chat.events import SIGN_OF_LIFE, Delta, Done, Timings
from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.providers.openai.reader import OpenaiReader
from tests.fakes.openai_stage import encode
from tests.fakes.unfinished import tails
from tests.unit.server.providers.openai.chunks import (
    DONE,
    OTHERS,
    TRANSCRIPT,
    chunk,
    finish,
    text,
    usage,
)
from tests.unit.server.providers.openai.outcomes import Outcome, done_of, events_of, outcome_of

WHOLE = Outcome(
    "Gr\u00fc\u00dfe, \u4f60!",
    done=Done(
        finish_reason=FinishReason.STOP,
        provider_finish_reason="stop",
        usage=Usage(input_tokens=26, output_tokens=9, cached_input_tokens=20),
        provider_response_id="chatcmpl-1",
    ),
)


def test_gives_the_same_answer_wherever_a_transcript_is_cut() -> None:
    assert WHOLE == outcome_of(TRANSCRIPT)
    assert WHOLE == outcome_of(*(TRANSCRIPT[at : at + 1] for at in range(len(TRANSCRIPT))))
    assert all(
        WHOLE == outcome_of(TRANSCRIPT[:at], TRANSCRIPT[at:]) for at in range(len(TRANSCRIPT))
    )


@given(st.lists(st.integers(1, len(TRANSCRIPT) - 1), unique=True, max_size=8).map(sorted))
def test_gives_the_same_answer_however_often_it_is_cut(cuts: list[int]) -> None:
    places = [0, *cuts, len(TRANSCRIPT)]

    assert WHOLE == outcome_of(*(TRANSCRIPT[at:to] for at, to in itertools.pairwise(places)))


def test_gives_one_delta_for_each_read() -> None:
    [first, second, _] = events_of([text("a") + text("b"), text("c") + finish() + DONE])

    assert [Delta("ab"), Delta("c")] == [first, second]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_gives_thinking_as_a_sign_of_life(field: str) -> None:
    [sign, *_] = events_of([chunk({field: "let me see"}), text("a"), finish()])

    assert SIGN_OF_LIFE == sign


CALLS: list[dict[str, object]] = [
    {"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": ""}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}], "content": None},
    {"function_call": {"name": "f", "arguments": "{}"}},
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("before", [b"", text("a")])
@pytest.mark.parametrize("word", ["stop", "tool_calls", "function_call"])
def test_tells_of_a_tool_call_and_leaves_it_out(
    word: str, before: bytes, call: dict[str, object]
) -> None:
    *signs, done = events_of([before, chunk(call), finish(word, stop_reason="x"), DONE], stops="x")

    assert SIGN_OF_LIFE in signs
    assert isinstance(done, Done)
    assert (FinishReason.OTHER, word, "") == (
        done.finish_reason,
        done.provider_finish_reason,
        done.stop_sequence,
    )
    assert [("tools", Action.IGNORED)] == [(one.field, one.action) for one in done.adjustments]


def test_a_limit_that_ends_a_tool_call_is_told_as_one() -> None:
    done = done_of(chunk(CALLS[0]), finish("length"), DONE)

    assert FinishReason.MAX_TOKENS is done.finish_reason
    assert ["tools"] == [one.field for one in done.adjustments]


@pytest.mark.parametrize("none", [None, [], {}, ""])
def test_an_empty_list_of_tool_calls_is_none(none: object) -> None:
    nothing = chunk({"content": "a", "tool_calls": none, "function_call": none})
    done = done_of(nothing, finish(), DONE)

    assert (FinishReason.STOP, ()) == (done.finish_reason, done.adjustments)


def test_tells_of_a_tool_call_in_one_body() -> None:
    choice = {"message": {"content": None, **CALLS[0]}, "finish_reason": "stop"}
    *_, done = events_of([encode({"choices": [choice]})], is_whole=True)

    assert isinstance(done, Done)
    assert FinishReason.OTHER is done.finish_reason


@pytest.mark.parametrize("behind", [*CALLS, {"content": [{"type": "thinking"}]}])
def test_a_tool_call_behind_a_reason_takes_it_back(behind: dict[str, object]) -> None:
    assert "C07" == outcome_of(text("a"), finish(), chunk(behind), DONE).row


def test_a_reason_behind_a_tool_call_is_doubtful() -> None:
    reader = OpenaiReader(tails(), is_local=False)
    reader.take(text("a") + chunk(CALLS[0]) + finish("tool_calls"))

    assert not reader.ending.is_believed


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([{"type": "text", "text": "a"}, {"type": "thinking", "thinking": "b"}], "a"),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab"),
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}], ""),
        ([{"type": "image_url", "image_url": {}}, {"type": "text", "text": "a"}], "a"),
        ([{"type": "text", "text": None}, {"type": 5, "text": "no"}, {"text": "a"}, None], "a"),
        (["a", {"type": "output_text", "text": "b"}], "ab"),
        ({"type": "text", "text": "a"}, "a"),
        ([], ""),
        ({}, ""),
    ],
)
def test_takes_content_in_parts(content: object, expected: str) -> None:
    choice = {"message": {"content": content}, "finish_reason": "stop"}
    whole = list(events_of([encode({"choices": [choice]})], is_whole=True))
    outcome = outcome_of(chunk({"content": content}), finish(), DONE)

    assert expected == outcome.text == "".join(e.text for e in whole if isinstance(e, Delta))
    assert FinishReason.STOP is done_of(chunk({"content": content}), finish(), DONE).finish_reason


def test_gives_thinking_parts_as_a_sign_of_life() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    [sign, *_] = events_of([chunk({"content": [thinking]}), text("a"), finish()])

    assert SIGN_OF_LIFE == sign


def test_gives_nothing_for_events_without_content() -> None:
    [end] = events_of(
        [b": hello\n\n", chunk({"role": "assistant", "content": ""}), chunk(), finish(), DONE]
    )

    assert isinstance(end, Done)


def test_hears_its_own_choice_only() -> None:
    assert "a" == outcome_of(OTHERS, text("a"), OTHERS, finish(), DONE).text
    assert "C07" == outcome_of(text("a"), OTHERS, DONE).row


@pytest.mark.parametrize(
    ("word", "expected", "passed_on"),
    [
        ("stop", FinishReason.STOP, "stop"),
        ("length", FinishReason.MAX_TOKENS, "length"),
        ("content_filter", FinishReason.CONTENT_FILTER, "content_filter"),
        ("function_call", FinishReason.OTHER, "function_call"),
        ("eos_token", FinishReason.OTHER, "eos_token"),
        ("So they said", FinishReason.OTHER, "other"),
        ("x" * 65, FinishReason.OTHER, "other"),
    ],
)
def test_says_why_an_answer_ended(word: str, expected: FinishReason, passed_on: str) -> None:
    done = done_of(text("a"), finish(word), DONE)

    assert (expected, passed_on) == (done.finish_reason, done.provider_finish_reason)


@pytest.mark.parametrize(
    ("said", "expected", "sequence"),
    [
        ("END", FinishReason.STOP_SEQUENCE, "END"),
        ("</s>", FinishReason.STOP, ""),
        (128_009, FinishReason.STOP, ""),
        (["END"], FinishReason.STOP, ""),
        (None, FinishReason.STOP, ""),
    ],
)
def test_names_the_stop_sequence_that_the_caller_gave(
    said: object, expected: FinishReason, sequence: str
) -> None:
    done = done_of(text("a"), finish("stop", stop_reason=said), DONE, stops=("END",))

    assert (expected, sequence) == (done.finish_reason, done.stop_sequence)


def test_takes_a_whole_answer_in_one_body() -> None:
    body = encode(
        {
            "id": "chatcmpl-2",
            "choices": [{"message": {"content": "All of it."}, "finish_reason": "length"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4},
        }
    )
    [delta, done] = events_of([body[:20], body[20:]], is_whole=True)

    assert Delta("All of it.") == delta
    assert isinstance(done, Done)
    assert FinishReason.MAX_TOKENS is done.finish_reason
    assert Usage(input_tokens=3, output_tokens=4) == done.usage
    assert "chatcmpl-2" == done.provider_response_id


def test_keeps_the_last_usage() -> None:
    done = done_of(
        chunk({"content": "a"}, usage={"prompt_tokens": 5, "completion_tokens": 1}),
        chunk({"content": "b"}, usage={"prompt_tokens": 5, "completion_tokens": 2}),
        chunk({}, usage=None),
        finish(),
        DONE,
    )

    assert Usage(input_tokens=5, output_tokens=2) == done.usage


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, Usage()),
        ({"prompt_tokens": 0, "completion_tokens": 0}, Usage(input_tokens=0, output_tokens=0)),
        ({"prompt_tokens": -1, "completion_tokens": 2.5}, Usage()),
        ({"prompt_tokens": "12", "completion_tokens": True}, Usage()),
        ({"prompt_tokens": 10**30}, Usage()),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 7,
                "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
            },
            Usage(
                input_tokens=100,
                output_tokens=7,
                cached_input_tokens=60,
                cache_write_input_tokens=30,
            ),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 7,
                "total_tokens": 17,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            Usage(input_tokens=10, output_tokens=7),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 7,
                "total_tokens": 22,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            Usage(input_tokens=10, output_tokens=12),
        ),
        (
            {"prompt_tokens": 10, "prompt_tokens_details": [], "completion_tokens_details": None},
            Usage(input_tokens=10),
        ),
    ],
)
def test_counts_in_our_terms(counts: dict[str, object], expected: Usage) -> None:
    assert expected == done_of(text("a"), finish(), usage(**counts), DONE).usage


@pytest.mark.parametrize("odd", [7, "many", [], {}, True])
def test_does_without_usage_that_is_none(odd: object) -> None:
    assert Usage() == done_of(text("a"), finish(), chunk({}, usage=odd, x_groq=odd), DONE).usage


def test_finds_the_usage_where_groq_puts_it() -> None:
    groq = {"id": "req_1", "usage": {"prompt_tokens": 3, "completion_tokens": 4}}

    done = done_of(text("a"), chunk({}, x_groq=groq), finish(), DONE)

    assert Usage(input_tokens=3, output_tokens=4) == done.usage


@pytest.mark.parametrize(
    ("timings", "expected"),
    [
        ({"prompt_ms": 250.5, "predicted_ms": 1000}, Timings(prompt_s=0.2505, generation_s=1.0)),
        ({"prompt_ms": -1, "predicted_ms": "long"}, Timings()),
        ("soon", Timings()),
    ],
)
def test_takes_the_times_of_an_engine(timings: object, expected: Timings) -> None:
    assert expected == done_of(text("a"), finish(), chunk({}, timings=timings), DONE).timings


@pytest.mark.parametrize(
    ("answer_id", "expected"),
    [("gen-17.a:b", "gen-17.a:b"), ("an id, so to say", "req-1"), (17, "req-1"), ("", "req-1")],
)
def test_names_the_answer_as_its_provider_does(answer_id: object, expected: str) -> None:
    reader = OpenaiReader(tails(), is_local=False)
    reader.identify("req-1")
    reader.take(chunk({"content": "a"}, id=answer_id))
    reader.take(finish().replace(b'"id":"chatcmpl-1",', b"") + DONE)

    assert expected == reader.end().provider_response_id


def test_takes_a_reason_that_comes_without_a_delta() -> None:
    bare = b'data: {"choices":[{"finish_reason":"length"}]}\n\n'

    assert FinishReason.MAX_TOKENS is done_of(text("a"), bare, DONE).finish_reason
