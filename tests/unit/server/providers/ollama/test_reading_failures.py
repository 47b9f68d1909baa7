"""Answers that end badly, and bytes that are no answer: docs/facts/ollama.md 3 and 5."""

import pytest

from llmsvc_server.chat.events import Done
from llmsvc_server.chat.usage import FinishReason, Usage
from tests.unit.server.providers.ollama.lines import last, line, thought
from tests.unit.server.providers.ollama.outcomes import Outcome, outcome_of

STOP = Done(finish_reason=FinishReason.STOP, provider_finish_reason="stop", usage=Usage())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", Outcome("", row="C07", phase="first_token"), id="empty body"),
        pytest.param(line("a"), Outcome("a", row="C07", phase="stream"), id="no end"),
        pytest.param(
            line("a") + last()[:40], Outcome("a", row="C07", phase="stream"), id="cut in the end"
        ),
        pytest.param(
            line("a", done_reason="stop") + b'{"message":\n',
            Outcome("a", row="C08", phase="stream"),
            id="unreadable behind an end that is doubtful",
        ),
        pytest.param(
            last(text="a") + line("b")[:-9],
            Outcome("a", row="C07", phase="stream"),
            id="cut behind an end that is doubtful",
        ),
        pytest.param(
            line("a") + line(done_reason="stop") + b'{"error":"unexpected EOF"}\n',
            Outcome("a", row="O11", phase="stream"),
            id="error behind the end",
        ),
        pytest.param(b"<html>\n", Outcome("", row="C08"), id="not JSON"),
        pytest.param(b"<html>", Outcome("", row="C08"), id="not JSON, no newline"),
        pytest.param(
            line("a") + b"\xff\n" + line("b"), Outcome("a", row="C08", phase="stream"), id="later"
        ),
        pytest.param(
            line("a") + line(message={"content": 5}) + line("b"),
            Outcome("a", row="C08", phase="stream"),
            id="content that is none",
        ),
        pytest.param(
            line("a") + b'{"error":"maximum pending requests"}\n' + last(),
            Outcome("a", row="O07", phase="stream"),
            id="error line",
        ),
        pytest.param(
            b'{"error":"unexpected EOF"}\n', Outcome("", row="O11", phase="load"), id="at once"
        ),
        pytest.param(
            line("a") + b'{"error":"unexpected EOF"}\n',
            Outcome("a", row="O11", phase="stream"),
            id="after content nothing loads",
        ),
        pytest.param(b'{"error":"anything"}', Outcome("", row="O12"), id="no newline"),
        pytest.param(
            b'{"StatusCode":429,"Status":"429 Too Many Requests","error":"slow down"}',
            Outcome("", row="O05"),
            id="the vendor's cloud",
        ),
        pytest.param(
            line("a") + b'{"llama runner process has terminated":1}\n',
            Outcome("a", row="O02", phase="stream"),
            id="neither message nor done nor error",
        ),
        pytest.param(last("load"), Outcome("", row="O03"), id="only loaded"),
        pytest.param(
            line("a") + last("unload"), Outcome("a", row="O03", phase="stream"), id="unloaded"
        ),
        pytest.param(
            line("a", remote_host="https://example.org"),
            Outcome("", row="O01", phase="stream"),
            id="forwarded",
        ),
        pytest.param(
            last(text="a", remote_model="m"),
            Outcome("", row="O01", phase="stream"),
            id="forwarded, one line",
        ),
    ],
)
def test_says_what_went_wrong(body: bytes, expected: Outcome) -> None:
    assert expected == outcome_of([body])


def test_refuses_to_wait_through_lines_without_end() -> None:
    reads = [b'{"done":false}\n' * 5_000] * 2

    assert "C07" == outcome_of(reads).row
    assert "C08" == outcome_of([*reads, line()]).row


def test_refuses_to_wait_through_bytes_without_end() -> None:
    read = line(padding="x" * 127 * 1024)

    assert "C07" == outcome_of([read, read]).row
    assert "C08" == outcome_of([read, read, read]).row


@pytest.mark.parametrize("begin", [line("a"), thought("hm")])
def test_waits_through_anything_once_the_answer_has_begun(begin: bytes) -> None:
    reads = [begin, line() * 10_001, line(padding="x" * 300 * 1024), last()]

    assert STOP == outcome_of(reads).done


def test_takes_a_long_line_as_the_first_one() -> None:
    text = "x" * 1_000_000

    assert Outcome(text, done=STOP) == outcome_of([line(text) + last()])


def test_refuses_a_line_over_eight_mebibytes() -> None:
    piece = b"x" * 1024 * 1024

    assert "C08" == outcome_of([b'{"a":"', *[piece] * 9]).row


def test_sees_a_repeat_guard_behind_a_clean_end() -> None:
    assert "O00" == outcome_of([line("the"), line(" again") * 30]).row
    assert "O00" == outcome_of([line("the"), *[line(" again")] * 30]).row
    assert "O00" == outcome_of([line(" "), line("\n") * 28, line("\t ")]).row
    assert "O00" == outcome_of([line(" x") * 20, line("x "), line("x") * 20]).row


def test_sees_no_repeat_guard_where_words_differ_or_an_end_came() -> None:
    assert "C07" == outcome_of([line("again") * 29]).row
    assert "C07" == outcome_of([line("again") * 40, line("and")]).row
    assert "C07" == outcome_of([line("again") * 40 + line("and")]).row
    assert "C07" == outcome_of([line("a") * 20 + line("b") + line("a") * 20]).row
    assert STOP == outcome_of([line("again") * 40, last()]).done
