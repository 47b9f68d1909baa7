"""Answers that end badly, and that never look as if they had ended well."""

import pytest

from llmsvc_server.chat.events import Delta
from llmsvc_server.errors import (
    ProviderError,
)
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.openai.reader import OpenaiReader
from llmsvc_server.providers.shared.answer_reader import MAX_EMPTY_BYTES, MAX_EMPTY_PIECES
from llmsvc_server.providers.shared.lines import MAX_LINE_BYTES
from tests.fakes.openai_stage import encode, event_of
from tests.fakes.unfinished import tails
from tests.unit.server.providers.openai.chunks import (
    BEFORE_THE_MARKER,
    DONE,
    TRANSCRIPT,
    chunk,
    error,
    finish,
    text,
)
from tests.unit.server.providers.openai.outcomes import events_of, failure_of, outcome_of

CANARY = "Xylophon-4711"


def test_never_ends_well_before_the_reason_came() -> None:
    whole = TRANSCRIPT.index(b'"stop"') + len(b'"stop"')
    assert BEFORE_THE_MARKER == TRANSCRIPT[: len(BEFORE_THE_MARKER)]

    outcomes = [outcome_of(TRANSCRIPT[:at]) for at in range(whole + 1)]

    assert {("C07", "first_token"), ("C07", "stream")} == {
        (outcome.row, outcome.phase) for outcome in outcomes
    }
    assert all(outcome.done is None for outcome in outcomes)


def test_has_said_all_that_came_before_the_cut() -> None:
    whole = outcome_of(TRANSCRIPT).text

    assert all(whole.startswith(outcome_of(TRANSCRIPT[:at]).text) for at in range(len(TRANSCRIPT)))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(DONE, id="framing marker only"),
        pytest.param(text("a") + DONE, id="framing marker after text"),
        pytest.param(text("a") + finish(None) + DONE, id="null reason"),
        pytest.param(text("a") + finish("") + DONE, id="empty reason"),
        pytest.param(text("a"), id="clean end"),
        pytest.param(b"<html>\n\n", id="no events"),
    ],
)
def test_fails_without_a_reason(body: bytes) -> None:
    failure = failure_of(body)

    assert (ErrorKind.TRANSIENT, "C07") == (failure.kind, failure.row)


@pytest.mark.parametrize(
    "data",
    [
        b"data: {\n\n",
        b"data: hello\n\n",
        b"data: 17\n\n",
        b'data: {"choices":{}}\n\n',
        b'data: {"choices":[{"delta":{"content":5}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":[5]}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":[{"type":"text","text":5}]}}]}\n\n',
        b'data: "\xff"\n\n',
        b"data: " + b"[" * 100_000 + b"\n\n",
    ],
)
def test_fails_on_data_that_cannot_be_read(data: bytes) -> None:
    failure = failure_of(text("a") + data + finish() + DONE)

    assert (ErrorKind.PROTOCOL, "C08") == (failure.kind, failure.row)
    assert "stream" == failure.phase


@pytest.mark.parametrize(
    ("last", "row"), [(b'data: {"choices\n\n', "C08"), (text("b")[:-9], "C07")]
)
def test_fails_on_it_behind_a_reason_that_is_doubtful(last: bytes, row: str) -> None:
    failure = failure_of(finish(delta={"content": "a"}) + last)

    assert (row, "stream") == (failure.row, failure.phase)


def test_gives_what_came_before_data_that_cannot_be_read() -> None:
    assert "ab" == outcome_of(text("a") + text("b") + b"data: {\n\n").text


def test_fails_on_an_event_without_end() -> None:
    assert "C08" == failure_of(b"data: " + b"x" * (MAX_LINE_BYTES + 1)).row


def test_fails_after_too_many_events_without_content() -> None:
    one = chunk({"role": "assistant"})
    few = b'data: {"choices":[]}\n\n'

    assert "C08" == failure_of(*([few] * (MAX_EMPTY_PIECES + 1))).row
    assert "C08" == failure_of(*([one] * (MAX_EMPTY_BYTES // len(one) + 1))).row
    assert "C08" == failure_of(*([b": wait\n\n" * 100] * (MAX_EMPTY_BYTES // 800 + 1))).row


def test_takes_a_long_event_as_the_first_one_however_it_is_cut() -> None:
    words = "x" * 1_000_000
    event = event_of({"choices": [{"delta": {"content": words}}]})
    for body in (event, b": wait\n\n" + event, event.replace(b',"', b',\ndata: "')):
        pieces = [body[at : at + 16_384] for at in range(0, len(body), 16_384)]
        assert words == outcome_of(*pieces, finish(), DONE).text


def test_fails_on_a_long_comment_or_a_long_event_without_content() -> None:
    for body in (b": " + b"x" * 300_000 + b"\n\n", chunk({}, padding="x" * 300_000)):
        pieces = [body[at : at + 16_384] for at in range(0, len(body), 16_384)]
        assert "C08" == failure_of(*pieces, text("a"), finish(), DONE).row


def test_counts_them_before_the_first_content_only() -> None:
    few = b'data: {"choices":[]}\n\n'

    assert "a" == outcome_of(text("a"), *([few] * (MAX_EMPTY_PIECES + 1)), finish(), DONE).text


@pytest.mark.parametrize(
    ("event", "expected", "row"),
    [
        (error(code=429), ErrorKind.RATE_LIMIT, "P09"),
        (error(code="rate_limit_exceeded"), ErrorKind.RATE_LIMIT, "P09"),
        (error(type="server_error", code=None), ErrorKind.TRANSIENT, "P11"),
        (error(type="InternalServerError", code=500), ErrorKind.TRANSIENT, "P11"),
        (error(code=502, metadata={"provider_name": "x"}), ErrorKind.TRANSIENT, "P11"),
        (error(code=402), ErrorKind.QUOTA, "P01"),
        (error(type="insufficient_quota"), ErrorKind.QUOTA, "P01"),
        (error(type="exceed_context_size_error", code=400), ErrorKind.CONTEXT, "P02"),
        (error("This model's maximum context length is 8 tokens."), ErrorKind.CONTEXT, "P02"),
        (error(type="nobody knows"), ErrorKind.TRANSIENT, "P11"),
        (event_of({"error": "no"}), ErrorKind.TRANSIENT, "P11"),
        (event_of({"error": True}), ErrorKind.TRANSIENT, "P11"),
        (error(type="None", code="429"), ErrorKind.RATE_LIMIT, "P09"),
        (error(code=429.0), ErrorKind.RATE_LIMIT, "P09"),
        (error(status=401), ErrorKind.CREDENTIAL, "P06"),
        (event_of({"error": "no", "code": "429"}), ErrorKind.RATE_LIMIT, "P09"),
        (error(code="404"), ErrorKind.MODEL_MISSING, "P04"),
        (event_of({"error": "no", "code": 404}), ErrorKind.MODEL_MISSING, "P04"),
        (error(code="HTTP_429"), ErrorKind.TRANSIENT, "P11"),
        (error(code=1301), ErrorKind.TRANSIENT, "P11"),
        (error(code="200"), ErrorKind.TRANSIENT, "P11"),
        (error(code=302), ErrorKind.TRANSIENT, "P11"),
        (error(code=418), ErrorKind.TRANSIENT, "P11"),
        (error("Prompt is too long", type="None", code="400"), ErrorKind.CONTEXT, "P02"),
        (b'event: error\ndata: {"detail":"Prompt is too long"}\n\n', ErrorKind.CONTEXT, "P02"),
        (b'event: error\ndata: "Prompt is too long"\n\n', ErrorKind.CONTEXT, "P02"),
        (b"event: error\ndata: out of memory\n\n", ErrorKind.TRANSIENT, "P11"),
        (event_of({"error": {"code": "429"}, "choices": "none"}), ErrorKind.RATE_LIMIT, "P09"),
        (event_of({"object": "error", "message": "x", "code": 500}), ErrorKind.TRANSIENT, "P11"),
        (b'event: error\ndata: {"code":429}\n\n', ErrorKind.RATE_LIMIT, "P09"),
        (finish("error"), ErrorKind.TRANSIENT, "P11"),
        (
            event_of(
                {
                    "error": {"code": 429},
                    "choices": [{"delta": {"content": ""}, "finish_reason": "error"}],
                }
            ),
            ErrorKind.RATE_LIMIT,
            "P09",
        ),
    ],
)
def test_takes_an_error_event_for_what_it_says(event: bytes, expected: ErrorKind, row: str) -> None:
    before, after = failure_of(event + DONE), failure_of(text("a") + event + DONE)
    between = failure_of(text("a") + finish() + event + DONE)

    assert [(expected, row)] * 3 == [(one.kind, one.row) for one in (before, after, between)]
    assert ("stream", "stream") == (after.phase, between.phase)


def test_takes_an_error_in_one_body_for_what_it_says() -> None:
    failure = failure_of(encode({"error": {"message": "x", "code": 429}}), is_whole=True)

    assert (ErrorKind.RATE_LIMIT, "P09") == (failure.kind, failure.row)


@pytest.mark.parametrize(
    ("body", "row"),
    [
        (b"", "C08"),
        (b"hello", "C08"),
        (b"{}", "C07"),
        (b'{"choices":[{"message":{"content":"a"}}]}', "C07"),
        (b" " * (MAX_LINE_BYTES + 1), "C08"),
    ],
)
def test_fails_on_one_body_that_is_no_answer(body: bytes, row: str) -> None:
    assert row == failure_of(body, is_whole=True).row


def test_tells_a_loading_engine_from_an_outage_at_home_only() -> None:
    loading = error("Loading model", type="unavailable_error", code=503)

    assert failure_of(loading, is_local=True).kind is ErrorKind.COLD_LOAD
    assert failure_of(loading).kind is ErrorKind.TRANSIENT


@pytest.mark.parametrize("field", ["remote_host", "remote_model"])
def test_gives_nothing_of_an_answer_that_comes_from_elsewhere(field: str) -> None:
    body = text("a") + chunk({"content": "b"}, **{field: "elsewhere"}) + finish() + DONE
    reader = OpenaiReader(tails(), is_local=True)

    delta = reader.take(body)

    assert delta is None
    with pytest.raises(ProviderError, match=ErrorKind.VIOLATION) as caught:
        reader.end()
    assert ("O01", True) == (caught.value.row, reader.over)


def test_minds_no_such_field_where_nothing_is_local() -> None:
    [delta, _] = events_of([chunk({"content": "b"}, remote_host="x") + finish() + DONE])

    assert Delta("b") == delta


@pytest.mark.parametrize(
    "body",
    [
        error(CANARY, code=CANARY, type=CANARY, param=CANARY),
        event_of({"error": CANARY}),
        b"data: " + CANARY.encode() + b"\n\n",
        text(CANARY) + error(CANARY, code=429, metadata={"flagged_input": CANARY}),
        text(CANARY),
    ],
)
def test_passes_no_word_of_the_upstream_on_with_a_failure(body: bytes) -> None:
    failure = failure_of(body)

    assert CANARY not in f"{failure} {failure!r} {vars(failure)} {failure.args}"
