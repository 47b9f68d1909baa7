import pytest

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.unfinished import FREE_BYTES, Tail, Tails, Unfinished
from llmsvc_server.providers.shared.lines import LineBuffer
from llmsvc_server.providers.shared.sse import EventBuffer

MOST = 12_000


def test_a_little_of_each_answer_is_free() -> None:
    unfinished = Unfinished(0)

    Tails(unfinished).keep("a", FREE_BYTES)

    assert 0 == unfinished.bytes


def test_nobody_has_more_than_is_left() -> None:
    unfinished = Unfinished(MOST)
    first, second = Tails(unfinished), Tails(unfinished)

    first.keep("a", FREE_BYTES + MOST // 2)
    with pytest.raises(ProviderError, match=ErrorKind.EXHAUSTED) as refused:
        first.keep("a", FREE_BYTES + MOST // 2 + 1)
    second.keep("a", FREE_BYTES + MOST // 4)
    with pytest.raises(ProviderError, match=ErrorKind.EXHAUSTED):
        second.keep("b", FREE_BYTES + MOST // 4)

    assert "unfinished" == refused.value.cause
    assert MOST // 2 + MOST // 4 == unfinished.bytes


def test_who_has_too_much_may_still_have_less() -> None:
    unfinished = Unfinished(MOST)
    first, second = Tails(unfinished), Tails(unfinished)
    first.keep("a", FREE_BYTES + MOST // 2)
    second.keep("a", FREE_BYTES + MOST // 4)

    first.keep("a", FREE_BYTES + MOST // 3)

    assert MOST // 3 + MOST // 4 == unfinished.bytes


def test_what_is_over_is_counted_no_more() -> None:
    unfinished = Unfinished(MOST)
    with Tails(unfinished) as tails:
        tails.keep("a", FREE_BYTES + 1)
        with pytest.raises(ProviderError, match=ErrorKind.EXHAUSTED):
            tails.keep("b", FREE_BYTES + MOST)

    assert 0 == unfinished.bytes


def test_a_tail_is_what_was_added_however_it_came() -> None:
    unfinished = Unfinished(2 * MOST)
    tail = Tail(Tails(unfinished))
    pieces = [b"a", b"b" * 9_000, b"", b"c" * 3, b"d" * FREE_BYTES]
    for piece in pieces:
        tail.add(piece)
    counted = unfinished.bytes
    whole, size = tail.whole(b"!"), tail.size_bytes
    tail.clear()

    assert b"".join(pieces) + b"!" == whole
    assert (len(whole) - 1, len(whole) - 1 - FREE_BYTES) == (size, counted)
    assert (0, 0, b"") == (unfinished.bytes, tail.size_bytes, tail.whole())


@pytest.mark.parametrize("opening", [b"", b"data: ", b": "])
def test_a_line_is_counted_until_its_end(opening: bytes) -> None:
    unfinished = Unfinished(8 * FREE_BYTES)
    buffer = EventBuffer(Tails(unfinished))
    buffer.feed(opening + b"x" * 2 * FREE_BYTES)
    begun = unfinished.bytes
    buffer.feed(b"x\n\n")

    assert FREE_BYTES + len(opening) == begun
    assert 0 == unfinished.bytes


def test_an_event_is_counted_until_its_end_and_its_lines_for_what_they_take() -> None:
    unfinished = Unfinished(2**23)
    buffer = EventBuffer(Tails(unfinished))
    buffer.feed(b"data:xy\n" * 20_000)
    begun = unfinished.bytes
    (event,) = buffer.feed(b"\n")

    assert 20_000 * 3 - 1 == len(event.data)
    assert 20 * len(event.data) < begun
    assert 0 == unfinished.bytes


def test_a_line_that_there_is_no_room_for_is_no_fault_of_its_provider() -> None:
    unfinished = Unfinished(FREE_BYTES)
    tails = Tails(unfinished)
    buffer = LineBuffer(tails)
    buffer.feed(b"x" * FREE_BYTES)

    with pytest.raises(ProviderError, match=ErrorKind.EXHAUSTED):
        buffer.feed(b"x" * FREE_BYTES)


def test_an_event_has_a_short_name() -> None:
    (event,) = EventBuffer(Tails(Unfinished(2**23))).feed(
        b"event: error" + b"x" * FREE_BYTES + b"\ndata: a\n\n"
    )

    assert len(event.name) < 1_024
