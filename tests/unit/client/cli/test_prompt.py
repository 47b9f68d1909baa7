import os
import pty
import socket
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from llmsvc_client.cli.output import Remarks
from llmsvc_client.cli.prompt import BadPromptError, read_prompt
from tests.fakes.eventually import PATIENCE_S

LIMIT_BYTES = 16 * 2**20
SILENT = Remarks(None)


@contextmanager
def opened(descriptor: int) -> Generator[TextIO]:
    """Lend a descriptor as standard input."""
    with os.fdopen(descriptor, encoding="utf-8") as stdin:
        yield stdin


@contextmanager
def piped(content: bytes) -> Generator[TextIO]:
    """Lend a pipe that holds so much, at most what a pipe holds, and ends."""
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    with opened(reading) as stdin:
        yield stdin


@contextmanager
def typed(content: bytes) -> Generator[TextIO]:
    """Lend a terminal where a person typed so much, and Ctrl-D."""
    ours, theirs = pty.openpty()
    os.write(ours, content + b"\x04")
    with opened(theirs) as stdin:
        yield stdin
    os.close(ours)


@pytest.mark.parametrize(
    ("argument", "content", "prompt"),
    [
        ("hi", b"", "hi"),
        ("hi", b" \n\n", "hi"),
        ("hi\n", b"one\ntwo\n", "one\ntwo\n\nhi"),
        ("hi", "grüß\n\n\n".encode(), "grüß\n\nhi"),
        (None, b"hi\n", "hi"),
        ("-", b"hi\n\n", "hi"),
        (None, "grüß\ndich".encode(), "grüß\ndich"),
        (None, b" hi ", " hi "),
    ],
)
def test_reads_an_argument_and_standard_input(
    argument: str | None, content: bytes, prompt: str
) -> None:
    with piped(content) as stdin:
        assert prompt == read_prompt(argument, stdin, SILENT)


def test_a_socket_is_a_pipe_too() -> None:
    """Node makes its children's pipes of sockets."""
    ours, theirs = socket.socketpair()
    with ours:
        ours.sendall(b"file")
    with opened(theirs.detach()) as stdin:
        assert "file\n\nhi" == read_prompt("hi", stdin, SILENT)


@pytest.mark.parametrize("argument", [None, "hi"])
def test_reads_as_much_as_a_message_holds(argument: str | None, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * LIMIT_BYTES)
    with file.open(encoding="utf-8") as stdin:
        assert "x" * LIMIT_BYTES == read_prompt(argument, stdin, SILENT).partition("\n")[0]
    with file.open("ab") as more:
        more.write(b"x")
    with (
        file.open(encoding="utf-8") as stdin,
        pytest.raises(BadPromptError, match="larger than 16 MiB"),
    ):
        read_prompt(argument, stdin, SILENT)


def test_reads_a_terminal_only_when_asked_to() -> None:
    with typed(b"typed\n") as stdin:
        assert "typed" == read_prompt("-", stdin, SILENT)
    with typed(b"typed\n") as stdin:
        assert "hi" == read_prompt("hi", stdin, SILENT)
        with pytest.raises(BadPromptError, match="give it as an argument, or pipe it in"):
            read_prompt(None, stdin, SILENT)


@pytest.mark.parametrize(
    ("path", "flags"),
    [
        (os.devnull, os.O_RDONLY),
        (os.devnull, os.O_WRONLY),  # as nohup gives it
        ("/dev/zero", os.O_RDONLY),
    ],
)
def test_what_carries_no_text_is_left_alone(path: str, flags: int) -> None:
    with opened(os.open(path, flags)) as stdin:
        assert "hi" == read_prompt("hi", stdin, SILENT)


def test_what_is_open_for_writing_only_is_left_alone(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w", encoding="utf-8") as stdin:
        assert "hi" == read_prompt("hi", stdin, SILENT)


def test_a_pipe_that_does_not_block_is_read_to_its_end() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with opened(reading) as stdin, ThreadPoolExecutor() as pool:
        prompt = pool.submit(read_prompt, None, stdin, SILENT)
        os.write(writing, b"late")
        os.close(writing)
        assert "late" == prompt.result(timeout=PATIENCE_S)


@pytest.mark.parametrize(
    ("argument", "content", "message"),
    [
        ("", b"file", "the prompt is empty"),
        (" \n", b"file", "the prompt is empty"),
        (None, b"\n\n", "the prompt is empty"),
        (None, b"ab\xff", "standard input is not UTF-8 from byte 2 on"),
        ("hi", b"%PDF\xff", "standard input is not UTF-8 from byte 4 on"),
        ("ab\udcff", b"", "the prompt is not UTF-8 from byte 2 on"),
    ],
)
def test_says_why_there_is_no_prompt(argument: str | None, content: bytes, message: str) -> None:
    with piped(content) as stdin, pytest.raises(BadPromptError, match=message):
        read_prompt(argument, stdin, SILENT)


def test_says_what_standard_input_is() -> None:
    assert "hi" == read_prompt("hi", None, SILENT)
    with pytest.raises(BadPromptError, match="no prompt"):
        read_prompt("-", None, SILENT)


def test_says_what_cannot_be_read(tmp_path: Path) -> None:
    with (
        (tmp_path / "log").open("w", encoding="utf-8") as stdin,
        pytest.raises(BadPromptError, match="cannot read standard input: Bad file descriptor"),
    ):
        read_prompt(None, stdin, SILENT)
