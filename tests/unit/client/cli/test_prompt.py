import io

import pytest
from typing_extensions import override

from llmsvc_client.cli.prompt import BadPromptError, read_prompt

LIMIT_BYTES = 16 * 2**20


class Terminal(io.TextIOWrapper):
    """Standard input that a person types into."""

    @override
    def isatty(self) -> bool:
        """Say so."""
        return True


def piped(content: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(content))


class Unreadable(io.RawIOBase):
    """Standard input that is a directory."""

    @override
    def readable(self) -> bool:
        """Say yes, as the system does."""
        return True

    @override
    def readinto(self, buffer: object) -> int:
        """Fail."""
        raise IsADirectoryError(21, "Is a directory")


@pytest.mark.parametrize(
    ("argument", "content", "prompt"),
    [
        ("hi", b"not read", "hi"),
        (None, b"hi\n", "hi"),
        ("-", b"hi\n\n", "hi"),
        (None, "grüß\ndich".encode(), "grüß\ndich"),
        (None, b" hi ", " hi "),
        (None, b"x" * LIMIT_BYTES, "x" * LIMIT_BYTES),
    ],
    ids=["argument", "stdin", "dash", "utf-8", "spaces", "largest"],
)
def test_reads_an_argument_or_standard_input(
    argument: str | None, content: bytes, prompt: str
) -> None:
    assert prompt == read_prompt(argument, piped(content))


def test_reads_a_terminal_only_when_asked_to() -> None:
    assert "typed" == read_prompt("-", Terminal(io.BytesIO(b"typed\n")))
    with pytest.raises(BadPromptError, match="give it as an argument, or pipe it in"):
        read_prompt(None, Terminal(io.BytesIO(b"typed\n")))


@pytest.mark.parametrize(
    ("argument", "stdin", "message"),
    [
        (None, None, "no prompt"),
        ("-", None, "no prompt"),
        ("", None, "the prompt is empty"),
        (" \n", None, "the prompt is empty"),
        (None, piped(b"\n\n"), "the prompt is empty"),
        (None, piped(b"ab\xff"), "not UTF-8 from byte 2 on"),
        ("ab\udcff", None, "not UTF-8 from byte 2 on"),
        (None, piped(b"x" * (LIMIT_BYTES + 1)), "larger than 16 MiB"),
        (None, io.TextIOWrapper(io.BufferedReader(Unreadable())), "Is a directory"),
    ],
)
def test_says_why_there_is_no_prompt(
    argument: str | None, stdin: io.TextIOWrapper | None, message: str
) -> None:
    with pytest.raises(BadPromptError, match=message):
        read_prompt(argument, stdin)
