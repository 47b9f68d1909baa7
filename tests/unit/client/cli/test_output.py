import io
import os

import pytest
from typing_extensions import override

from llmsvc_client.cli.output import Output, Remarks


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    @override
    def isatty(self) -> bool:
        """Say so."""
        return True


def written(text: str, *, stream_kind: type[io.TextIOWrapper], encoding: str) -> bytes:
    raw = io.BytesIO()
    stream = stream_kind(raw, encoding=encoding)
    Output(stream).write(text)
    return raw.getvalue()


def test_a_pipe_gets_utf_8_as_it_is() -> None:
    text = "grüß \x1b[0m\r\n"

    assert text.encode() == written(text, stream_kind=io.TextIOWrapper, encoding="ascii")


def test_a_terminal_gets_its_own_encoding_and_no_controls() -> None:
    assert b"gr\xfc\xdf ?[0m\n" == written(
        "grüß \x1b[0m\r\n", stream_kind=Terminal, encoding="latin-1"
    )


@pytest.mark.parametrize(
    ("pieces", "shown"), [(["a"], "a\n"), (["a\n"], "a\n"), (["a", "b\n"], "ab\n"), ([], "")]
)
def test_ends_a_line_that_has_no_end(pieces: list[str], shown: str) -> None:
    raw = io.BytesIO()
    output = Output(io.TextIOWrapper(raw))

    for piece in pieces:
        output.write(piece)
    output.end_line()

    assert shown.encode() == raw.getvalue()


def test_a_process_without_standard_output_cannot_answer() -> None:
    output = Output(None)

    with pytest.raises(OSError, match="Bad file descriptor"):
        output.write("a")
    output.end_line()
    output.abandon()


def test_a_reader_who_left_is_forgotten() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        output = Output(stream)
        output.write("a")
        os.close(reading)

        with pytest.raises(BrokenPipeError):
            output.write("b")
        output.end_line()

        output.write("nowhere")


def test_a_remark_is_one_plain_line_off_a_terminal() -> None:
    stream = io.StringIO()

    Remarks(stream).say("two\nlines \x1b[0m", style="red")

    assert "two lines ␛[0m\n" == stream.getvalue()


def test_a_remark_is_coloured_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    raw = io.BytesIO()

    stream = Terminal(raw, write_through=True)

    Remarks(stream).say("text [red]not markup[/]", style="red")

    shown = raw.getvalue().decode()
    assert "text [red]not markup[/]" in shown
    assert shown.startswith("\x1b[31m")


def test_a_process_without_standard_error_stays_silent() -> None:
    Remarks(None).say("nothing")


def test_a_reader_of_remarks_who_left_is_no_trouble() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    remarks = Remarks(stream)

    remarks.say("a")
    remarks.say("b")

    with pytest.raises(BrokenPipeError):
        stream.close()
