"""Answers that end badly, and bytes that are no answer: docs/failover.md 2.2 and 3.3."""

import json

import pytest

from llmsvc_server.providers.shared.lines import MAX_LINE_BYTES
from tests.fakes.anthropic_stage import error_of, event_of
from tests.unit.server.providers.anthropic.outcomes import Outcome, ended, outcome_of
from tests.unit.server.providers.anthropic.transcripts import (
    PING,
    STOP,
    begin,
    failed,
    marker,
    opened,
    said,
    thought,
)

A = begin() + said("a")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", Outcome("", row="C07", phase="first_token"), id="empty body"),
        pytest.param(begin(), Outcome("", row="C07", phase="first_token"), id="only begun"),
        pytest.param(A, Outcome("a", row="C07", phase="stream"), id="no end"),
        pytest.param(A + STOP, Outcome("a", row="C07", phase="stream"), id="no stop reason"),
        pytest.param(
            A + marker(None) + STOP, Outcome("a", row="C07", phase="stream"), id="null for it"
        ),
        pytest.param(
            A + marker()[:-10], Outcome("a", row="C07", phase="stream"), id="cut in the marker"
        ),
        pytest.param(
            begin() + thought("hm"), Outcome("", row="C07", phase="stream"), id="only thought"
        ),
        pytest.param(
            A + failed("api_error")[:-10],
            Outcome("a", row="C07", phase="stream"),
            id="cut in an error",
        ),
        pytest.param(b"<html>\n\n", Outcome("", row="C07", phase="first_token"), id="a page"),
        pytest.param(b"data: <html>\n\n", Outcome("", row="C08"), id="not JSON"),
        pytest.param(
            A + b"event: content_block_delta\ndata: {\n\n" + marker(),
            Outcome("a", row="C08", phase="stream"),
            id="broken JSON later",
        ),
        pytest.param(
            A + event_of("content_block_delta", {"delta": {"type": "text_delta", "text": 5}}),
            Outcome("a", row="C08", phase="stream"),
            id="wrong type",
        ),
        pytest.param(
            begin() + event_of("content_block_start", {}), Outcome("", row="C08"), id="no block"
        ),
        pytest.param(
            b"event: message_start\ndata: " + b'{"message":' * 100_000 + b"\n\n",
            Outcome("", row="C08"),
            id="nesting without end",
        ),
        pytest.param(failed("overloaded_error"), Outcome("", row="A03"), id="error at once"),
        pytest.param(
            A + failed("rate_limit_error") + marker() + STOP,
            Outcome("a", row="A02", phase="stream"),
            id="error after text",
        ),
        pytest.param(
            A + marker() + failed("api_error") + STOP,
            Outcome("a", row="A03", phase="stream"),
            id="error between the markers",
        ),
        pytest.param(
            begin() + marker() + said("a") + marker() + b'data: {"a\n\n',
            Outcome("a", row="C08", phase="stream"),
            id="unreadable behind a reason that is doubtful",
        ),
        pytest.param(
            begin() + marker() + said("a") + marker() + said("b")[:-9],
            Outcome("a", row="C07", phase="stream"),
            id="cut behind a reason that is doubtful",
        ),
        pytest.param(A + b"data: [DONE]\n\n", Outcome("a", row="C07", phase="stream"), id="DONE"),
        pytest.param(
            b'data: {"type":"error","error":{"type":"api_error"}}\n\n',
            Outcome("", row="A03"),
            id="error without a name",
        ),
        pytest.param(
            b"event: error\ndata: 5\n\n", Outcome("", row="A03"), id="error that says nothing"
        ),
        pytest.param(failed("some_new_error"), Outcome("", row="A03"), id="error of no known type"),
    ],
)
def test_says_what_went_wrong(body: bytes, expected: Outcome) -> None:
    assert expected == outcome_of([body])


def test_a_cut_after_the_stop_reason_is_no_failure() -> None:
    assert ended() == outcome_of([A + marker() + STOP[:-10]]).done


@pytest.mark.parametrize(
    ("document", "row"),
    [
        (error_of("overloaded_error", "x"), "A03"),
        ({"type": "message", "content": [{"type": "text", "text": "a"}]}, "C07"),
        ({"content": 5}, "C08"),
        ([], "C08"),
        (None, "C08"),
    ],
)
def test_says_what_is_wrong_with_a_whole_body(document: object, row: str) -> None:
    assert row == outcome_of([json.dumps(document).encode()], is_whole=True).row


def test_refuses_a_whole_body_over_eight_mebibytes() -> None:
    piece = b" " * 1024 * 1024

    assert "C08" == outcome_of([piece] * 9, is_whole=True).row


def test_refuses_to_wait_through_events_without_end() -> None:
    short = b"event:ping\ndata:\n\n"
    reads = [short * 5_000] * 2

    assert "C07" == outcome_of(reads).row
    assert "C08" == outcome_of([*reads, short]).row


def test_refuses_to_wait_through_bytes_without_end() -> None:
    read = event_of("ping", {"padding": "x" * 127 * 1024})

    assert "C07" == outcome_of([read, read]).row
    assert "C08" == outcome_of([read, read, read]).row


def test_refuses_to_wait_through_comments_without_end() -> None:
    comment = b": " + b"x" * 60 * 1024 + b"\n"

    assert "C07" == outcome_of([comment] * 4).row
    assert "C08" == outcome_of([comment] * 5).row


@pytest.mark.parametrize("first", [said("a"), thought("hm"), opened("thinking")])
def test_waits_through_anything_once_the_answer_has_begun(first: bytes) -> None:
    padded = event_of("ping", {"padding": "x" * 300 * 1024})
    comments = [b": " + b"x" * 1024 * 1024 + b"\n"] * 9
    reads = [begin(), first, PING * 10_001, padded, *comments, marker(), STOP]

    assert ended() == outcome_of(reads).done


def test_takes_a_long_event_as_the_first_one_however_it_is_cut() -> None:
    text = "x" * 1_000_000
    body = begin() + said(text) + marker() + STOP
    pieces = [body[at : at + 65_536] for at in range(0, len(body), 65_536)]

    assert Outcome(text, done=ended()) == outcome_of([body]) == outcome_of(pieces)


def test_refuses_an_event_over_eight_mebibytes() -> None:
    piece = b"x" * (MAX_LINE_BYTES // 8)

    assert "C08" == outcome_of([A, b'data: {"a":"', *[piece] * 9]).row
