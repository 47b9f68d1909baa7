"""Events come out of a stream's bytes the same wherever the network cuts them."""

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.shared.sse import MAX_DATA_LINES, EventBuffer, ServerEvent
from tests.fakes.unfinished import tails


def fed(*pieces: bytes) -> list[ServerEvent]:
    """Return the events of reads, the one without a blank line at the end included."""
    buffer = EventBuffer(tails())
    events = [event for piece in pieces for event in buffer.feed(piece)]
    return [*events, *buffer.rest()]


def of_data(*texts: bytes) -> list[ServerEvent]:
    """Return events without a name."""
    return [ServerEvent(b"", text) for text in texts]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"data: a\n\ndata: b\n\n", of_data(b"a", b"b"), id="LF"),
        pytest.param(b"data: a\r\n\r\ndata: b\r\n\r\n", of_data(b"a", b"b"), id="CRLF"),
        pytest.param(b"data: a\r\rdata: b\r\r", of_data(b"a", b"b"), id="CR"),
        pytest.param(b"data: a\r\n\ndata: b\n\r\n", of_data(b"a", b"b"), id="mixed"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", of_data(b"a"), id="BOM"),
        pytest.param(b"data: \xef\xbb\xbfa\n\n", of_data(b"\xef\xbb\xbfa"), id="BOM inside"),
        pytest.param(b"\n\xef\xbb\xbfdata: a\n\n", [], id="BOM on a later line"),
        pytest.param(b": PROCESSING\n\n:\ndata: a\n\n", of_data(b"a"), id="comments"),
        pytest.param(b"data: a\n: x\ndata: b\n\n", of_data(b"a\nb"), id="several lines"),
        pytest.param(b"data:a\n\ndata:  b\n\n", of_data(b"a", b" b"), id="one space goes"),
        pytest.param(b"data\n\ndata:\n\n", of_data(b"", b""), id="empty data"),
        pytest.param(b"event: x\ndata: a\n\n", [ServerEvent(b"x", b"a")], id="name"),
        pytest.param(b"event: x\n\ndata: a\n\n", of_data(b"a"), id="name without data"),
        pytest.param(b"id: 1\nretry: 2\nmore: 3\ndata: a\n\n", of_data(b"a"), id="other fields"),
        pytest.param(b"DATA: a\n\n", [], id="a field's name has its case"),
        pytest.param(b"data: a:b\n\n", of_data(b"a:b"), id="colon in the data"),
        pytest.param(b"data: a\n\ndata: b", of_data(b"a", b"b"), id="no blank line at the end"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_gives_the_events_of_a_stream(body: bytes, expected: list[ServerEvent]) -> None:
    assert expected == fed(body)
    assert all(expected == fed(body[:at], body[at:]) for at in range(len(body) + 1))
    assert expected == fed(*(body[at : at + 1] for at in range(len(body))))


def test_gives_an_event_at_the_first_half_of_its_last_line_end() -> None:
    buffer = EventBuffer(tails())

    assert of_data(b"a") == buffer.feed(b"data: a\r\n\r")
    assert [] == buffer.feed(b"\n")
    assert of_data(b"b") == buffer.feed(b"data: b\n\n")


def test_takes_a_newline_after_a_cut_line_end_once_only() -> None:
    assert of_data(b"a", b"b") == fed(b"data: a\r", b"\n", b"\n", b"data: b\n\n")


_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
_WORDS = st.binary(max_size=6).map(lambda data: data.translate(None, b"\r\n"))


def _written(event: tuple[bytes, list[bytes]], ends: list[bytes], noise: bytes) -> bytes:
    name, data = event
    lines = [b": " + noise, b"event: " + name, *(b"data: " + line for line in data), b""]
    return b"".join(line + ends[place % len(ends)] for place, line in enumerate(lines))


@given(
    events=st.lists(st.tuples(_WORDS, st.lists(_WORDS, min_size=1, max_size=3)), max_size=4),
    ends=st.lists(_ENDS, min_size=1, max_size=3),
    noise=_WORDS,
    cuts=st.lists(st.integers(0, 200), max_size=6),
)
def test_reads_what_was_written_however_lines_end_and_reads_are_cut(
    events: list[tuple[bytes, list[bytes]]], ends: list[bytes], noise: bytes, cuts: list[int]
) -> None:
    # A bare CR before a line that is empty and ends in LF would be one CRLF.
    if b"\r" in ends and b"\n" in ends:
        ends = [b"\r\n"]
    body = b"\xef\xbb\xbf" + b"".join(_written(event, ends, noise) for event in events)
    places = sorted({min(cut, len(body)) for cut in cuts} | {0, len(body)})
    pieces = [body[start:stop] for start, stop in itertools.pairwise(places)]

    expected = [ServerEvent(name, b"\n".join(data)) for name, data in events]

    assert expected == fed(*pieces)


@given(st.binary(max_size=80), st.integers(0, 80))
def test_gives_the_same_of_any_bytes_wherever_they_are_cut(body: bytes, at: int) -> None:
    assert fed(body) == fed(body[:at], body[at:])


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"data: " + b"x" * 20], id="a line"),
        pytest.param([b"data: xxxx", b"xxxxxxxxxxxxxxxx"], id="an unfinished line"),
        pytest.param([b"data: xxxxxxx\n"] * 3, id="lines"),
        pytest.param([b"data\n"] * 21, id="lines without data"),
        pytest.param([b": " + b"x" * 20 + b"\n"], id="a comment"),
    ],
)
def test_keeps_no_event_that_is_too_long(pieces: Iterable[bytes]) -> None:
    buffer = EventBuffer(tails(), 20)

    with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL) as caught:
        _ = [buffer.feed(piece) for piece in pieces]

    assert "C08" == caught.value.row


def test_keeps_events_of_the_longest_length_one_after_the_other() -> None:
    buffer = EventBuffer(tails(), 20)
    event = b"data: 345678\ndata: 90123\n\n"

    assert of_data(b"345678\n90123") * 3 == [*buffer.feed(event), *buffer.feed(event * 2)]


def test_refuses_an_event_of_more_lines_than_an_answer_has() -> None:
    buffer = EventBuffer(tails())

    with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL):
        buffer.feed(b"data:\n" * (MAX_DATA_LINES + 1))
