"""JSON as servers in the field write it, and characters that they cut in two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.shared.lenient import MAX_BYTES, Seam, read_leniently, read_several

Document = dict[str, object]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a":"\\ud83d"}', "\ud83d"),
        (b'{"a":"\\uD83D\\uDE00"}', "\U0001f600"),
        (b'{"a":"\\ud83d\\uDe00"}', "\U0001f600"),
        (b'{"a":"\\\\ud83d"}', "\\ud83d"),
        (b'{"a":"\xed\xa0\xbd"}', "\ud83d"),
        (b'{"a":"' + b"\xed\xa0\xbd" * 20_000 + b'"}', "\ufffd" * 60_000),
        (b'{"a":"' + b"\xed\x95\x98" * 20_000 + b'\t"}', "\ud558" * 20_000 + "\t"),
        (b'{"a":"x\xffy"}', "x\ufffdy"),
        (b'\xef\xbb\xbf{"a":"x"}', "x"),
        (b'{"a":"x\ty"}', "x\ty"),
        (b'{"a":-Infinity}', -float("inf")),
        (b'{"a":1e400}', float("inf")),
        (b'{"a":' + b"1" * 5_000 + b"}", float("inf")),
    ],
)
def test_reads_what_a_strict_decoder_refuses(data: bytes, expected: object) -> None:
    assert {"a": expected} == read_leniently(data, Document)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"[]", b"5", b"<html>", b"{} {}", b'{"a":"\\ud8"}', b"[" * 100_000),
        b"{}" + b" " * MAX_BYTES,
    ],
)
def test_refuses_what_is_no_such_document(data: bytes) -> None:
    with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL) as caught:
        read_leniently(data, Document)

    assert "C08" == caught.value.row


def test_reads_documents_whatever_their_line_breaks() -> None:
    data = b'\xef\xbb\xbf \r\n{\r\n\t"a": 1\r}\n\n{"a":\n2}{"a": 3} \r'

    assert [{"a": 1}, {"a": 2}, {"a": 3}] == read_several(data, Document)
    assert [] == read_several(b" \n", Document)


@pytest.mark.parametrize("data", [b'{"a":1}{', b"{} x", b"[]", b'{"a":1}\n5', b"{}\n" * MAX_BYTES])
def test_refuses_documents_of_which_one_is_none(data: bytes) -> None:
    with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL):
        read_several(data, Document)


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["a\ud83d", "\ude00b"], ["a", "\U0001f600b"]),
        (["\ud83d", "", "\ude00"], ["", "", "\U0001f600"]),
        (["\ud83d", "b"], ["", "\ufffdb"]),
        (["\ud83d", "\ud83d\ude00"], ["", "\ufffd\U0001f600"]),
        (["\ud83d\ud83d", "\ude00"], ["\ufffd", "\U0001f600"]),
        (["\ude00", "a"], ["\ufffd", "a"]),
        (["a", "\ud83d"], ["a", "\ufffd"]),
        (["\ufeffa", "\ufffe"], ["\ufeffa", "\ufffe"]),
    ],
)
def test_joins_halves_of_characters(pieces: list[str], expected: list[str]) -> None:
    seam = Seam()

    assert expected == [
        seam.join(piece, is_last=number == len(pieces)) for number, piece in enumerate(pieces, 1)
    ]


@given(st.text(), st.lists(st.integers(0, 60), max_size=5).map(sorted))
def test_loses_nothing_however_a_text_is_cut(text: str, cuts: list[int]) -> None:
    units = text.encode("utf-16-le")
    places = [0, *(min(2 * cut, len(units)) for cut in cuts), len(units)]
    seam = Seam()
    joined = ""
    for number, at in enumerate(places[:-1], 1):
        piece = units[at : places[number]].decode("utf-16-le", "surrogatepass")
        joined += seam.join(piece, is_last=number == len(places) - 1)

    assert text == joined
