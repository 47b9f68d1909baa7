"""Long lists in pieces: the same entries as in one go, or no list."""

import json
from collections.abc import Sequence

import msgspec
import pytest

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.shared.listing import (
    ENTRIES_AT_ONCE,
    MAX_ENTRIES,
    PIECE_BYTES,
    LastRead,
    read_list,
)


class _Listing(msgspec.Struct):
    data: list[msgspec.Raw] | None


def either(body: bytes) -> Sequence[msgspec.Raw]:
    listing = msgspec.json.decode(body, type=_Listing | list[msgspec.Raw])
    return (listing if isinstance(listing, list) else listing.data) or ()


def entries(body: bytes) -> list[object]:
    return [json.loads(bytes(raw)) for step in read_list(body, "data", either) for raw in step]


PLAIN = [{"id": f"m{number}", "n": [{}, {}], "t": '},{"data":['} for number in range(12_000)]
BARE = json.dumps(PLAIN).encode()
FIRST = b'{"data": ' + BARE + b', "object": "list"}'
LAST = b' {"t":"\\"data\\":[", "x":{"data":[]}, "data" :\n' + BARE + b"}"


@pytest.mark.parametrize("body", [BARE, FIRST, LAST, json.dumps(PLAIN, indent=3).encode()])
def test_a_long_list_is_read_in_pieces(body: bytes) -> None:
    steps = [len(step) for step in read_list(body, "data", either)]

    assert PLAIN == entries(body)
    assert len(body) > 4 * PIECE_BYTES
    assert ENTRIES_AT_ONCE >= max(steps)


def test_entries_of_many_values_come_fewer_at_a_time() -> None:
    heavy = [{"id": f"m{number}", "x": [[]] * 300} for number in range(1_000)]
    body = json.dumps({"data": heavy}).encode()
    steps = list(read_list(body, "data", either))

    assert heavy == [json.loads(bytes(raw)) for step in steps for raw in step]
    assert 10_000 >= max(sum(bytes(raw).count(b"[") for raw in step) for step in steps)


def test_what_follows_the_list_may_be_long_too() -> None:
    more = json.dumps([{"x": 1}, {"x": 2}] * 10_000).encode()

    assert PLAIN == entries(b'{"data":' + BARE + b',"more":' + more + b"}")


@pytest.mark.parametrize(
    "body",
    [
        *(BARE[:-1], FIRST[:-1], FIRST + b"}", FIRST.replace(b'"data"', b'"date"', 1)),
        *(BARE.replace(b'"m7000"', b'"m7000'), b'{"data":[' + b"0," * PIECE_BYTES * 4 + b"0]}"),
        *(b"[" * PIECE_BYTES * 2, b" " * PIECE_BYTES * 2, b"\xff" * PIECE_BYTES * 2),
        b'{"data":[{"id":"' + b"x" * PIECE_BYTES * 8 + b'"}]}',
        b"[" + b"{}," * MAX_ENTRIES + b"{}]",
        b'[{"id":[' + b"[]," * 15_000 + b"0]}]",
        *(b"{", b"", b'{"data":5}', b'{"date":[]}'),
    ],
)
def test_what_is_no_list_is_none_in_pieces_either(body: bytes) -> None:
    with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL):
        entries(body)


async def test_a_list_is_read_again_when_it_has_changed() -> None:
    reads: list[bytes] = []
    last: LastRead[int] = LastRead()

    async def look(*bodies: bytes, fails: bool = False) -> int:
        async def read() -> int:
            reads.append(b"|".join(bodies))
            if fails:
                raise ProviderError(ErrorKind.PROTOCOL)
            return len(reads)

        return await last.of(bodies, read)

    one = b"x" * PIECE_BYTES * 2
    told = [await look(one), await look(one), await look(one, b"")]
    with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL):
        await look(b"new", fails=True)
    told += [await look(one, b""), await look(b"new")]

    assert [1, 1, 2, 2, 4] == told
