from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.shared.lines import LineBuffer
from tests.fakes.recordings import recording
from tests.fakes.unfinished import tails

TRANSCRIPTS = (("0.10.1", "chat-multibyte"), ("0.24.0", "think-true"), ("0.24.0", "chat-stream"))


def fed(pieces: Iterable[bytes], *, max_bytes: int = 1024) -> tuple[list[bytes], bytes]:
    """Return the lines of all blocks, newlines included, and the rest."""
    buffer = LineBuffer(tails(), max_bytes)
    blocks = [buffer.feed(piece) for piece in pieces]
    assert all(block.endswith(b"\n") for block in blocks if block)
    return b"".join(blocks).splitlines(keepends=True), buffer.rest()


@pytest.mark.parametrize(("version", "case"), TRANSCRIPTS)
def test_gives_the_same_lines_wherever_a_transcript_is_cut(version: str, case: str) -> None:
    body = recording(version, case).body
    expected = (body.splitlines(keepends=True), b"")

    assert all(expected == fed([body[:at], body[at:]]) for at in range(len(body) + 1))


def test_passes_a_read_that_ends_with_its_line_on_without_a_copy() -> None:
    data = b'{"done":false}\n'

    assert data is LineBuffer(tails()).feed(data)


def test_holds_half_a_character_back_with_its_line() -> None:
    line = "é\n".encode()
    buffer = LineBuffer(tails())

    assert b"" == buffer.feed(line[:1])
    assert line == buffer.feed(line[1:])


def test_passes_blank_lines_on() -> None:
    assert ([b"\n", b"a\n", b"\r\n"], b"") == fed([b"\na\n\r", b"\n"])


def test_keeps_a_last_line_without_its_newline() -> None:
    buffer = LineBuffer(tails())
    first = buffer.feed(b"a\nb")

    assert (b"a\n", b"b", b"") == (first, buffer.rest(), buffer.rest())


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"x" * 11], id="unfinished"),
        pytest.param([b"x" * 6, b"x" * 5], id="unfinished, in pieces"),
        pytest.param([b"x" * 11 + b"\n"], id="whole"),
        pytest.param([b"x" * 9, b"xx\n"], id="whole, in pieces"),
        pytest.param([b"a\n" + b"x" * 11 + b"\nb\n"], id="among others"),
        pytest.param([b"a\n" + b"x" * 11], id="unfinished, after another"),
    ],
)
def test_refuses_a_line_over_the_limit(pieces: list[bytes]) -> None:
    with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL) as caught:
        fed(pieces, max_bytes=10)

    assert "C08" == caught.value.row


def test_takes_lines_of_just_the_limit_however_many_come_at_once() -> None:
    line = b"x" * 10 + b"\n"

    assert ([line] * 3, b"x" * 10) == fed([line * 3 + b"x" * 10], max_bytes=10)


def test_allows_eight_mebibytes_by_default() -> None:
    buffer = LineBuffer(tails())
    buffer.feed(b"x" * 8 * 1024 * 1024)

    with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL):
        buffer.feed(b"x")


@given(st.lists(st.binary(max_size=12) | st.sampled_from([b"\n", b"ab\ncd\n", b"\n\n"])))
def test_loses_and_invents_nothing(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    lines, rest = fed(pieces)

    assert whole == b"".join(lines) + rest
    assert b"\n" not in rest
