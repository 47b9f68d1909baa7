"""A list of models in bytes: read in short steps, and not again as long as it stays the same.

A list may be long, and whoever decodes it whole holds everybody else up. So it is cut between two
entries, and each piece is decoded as a list of its own. What can be decoded so was cut rightly.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar

import msgspec

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.shared.untyped import UNREADABLE, values_in

MAX_LIST_BYTES = 16 * 1024 * 1024
MAX_ENTRIES = 200_000
PIECE_BYTES = 128 * 1024
"""How much is decoded at once: half a millisecond, or ten where it is made to take long."""

ENTRIES_AT_ONCE = 500
"""How many entries are looked at before others have their turn."""

VALUES_AT_ONCE = 10_000
"""How many values those may hold, and any single one: to make them takes 5 ms."""

_MAX_TAIL_BYTES = 4 * PIECE_BYTES
_MAX_TRIES = 16
"""How many places are tried for a cut: between objects inside of an entry there is none."""

_BETWEEN = re.compile(rb"(.*\})\s*,\s*(?=\{)", re.DOTALL)
_BARE_LIST = re.compile(rb"\s*\[")

_bare = msgspec.json.Decoder(list[msgspec.Raw])

T = TypeVar("T")
Decode = Callable[[bytes], Sequence[msgspec.Raw]]
"""Returns the entries of a whole list; raises what is in `UNREADABLE`."""


def read_list(body: bytes, key: str, decode: Decode) -> Iterator[Sequence[msgspec.Raw]]:
    """Yield the entries of a list, some at a time. No step takes long.

    Args:
        body: An object with the list under `key`; or the list alone, where `decode` takes that.
        key: Where the list stands.
        decode: Decodes such a body.

    Raises:
        ProviderError: PROTOCOL. There is no such list, or it has too many entries or a giant one.
    """
    count = 0
    try:
        for entries in _pieces(body, key, decode):
            count += len(entries)
            if count > MAX_ENTRIES:
                raise ProviderError(ErrorKind.PROTOCOL, row="C08", status=200)
            yield from _turns(entries)
    except UNREADABLE:
        raise ProviderError(ErrorKind.PROTOCOL, row="C08", status=200) from None


def _turns(entries: Sequence[msgspec.Raw]) -> Iterator[Sequence[msgspec.Raw]]:
    """Yield entries, as many as can be decoded at once."""
    begin = values = 0
    for at, entry in enumerate(entries):
        own = values_in(bytes(entry))
        if own > VALUES_AT_ONCE:
            raise ProviderError(ErrorKind.PROTOCOL, row="C08", status=200)
        values += own
        if values > VALUES_AT_ONCE or at - begin == ENTRIES_AT_ONCE:
            yield entries[begin:at]
            begin, values = at, own
    yield entries[begin:]


def _pieces(body: bytes, key: str, decode: Decode) -> Iterator[Sequence[msgspec.Raw]]:
    if len(body) <= PIECE_BYTES:
        yield decode(body)
        return
    opening, at = _beginning(body, key, decode)
    while len(body) - at > PIECE_BYTES:
        piece = _piece(body, at)
        if piece is None:
            break
        entries, at = piece
        yield entries
    if len(body) - at > _MAX_TAIL_BYTES:
        raise ProviderError(ErrorKind.PROTOCOL, row="C08", status=200)
    yield decode(opening + body[at:])


def _beginning(body: bytes, key: str, decode: Decode) -> tuple[bytes, int]:
    """Return what has to stand in front of its last entries, and where the first begins."""
    if (bare := _BARE_LIST.match(body)) is not None:
        return b"[", bare.end()
    name = f'"{key}"'.encode()
    places = re.compile(name + rb"\s*:\s*\[").finditer(body, 0, PIECE_BYTES)
    for place in islice(places, _MAX_TRIES):
        try:
            decode(body[: place.end()] + b"]}")  # else it stands in a text, or deeper
        except UNREADABLE:
            continue
        return b"{" + name + b":[", place.end()
    raise ProviderError(ErrorKind.PROTOCOL, row="C08", status=200)


def _piece(body: bytes, at: int) -> tuple[Sequence[msgspec.Raw], int] | None:
    """Return the entries from `at` on, as far as a piece goes, and where the next begins."""
    end = at + PIECE_BYTES
    for _ in range(_MAX_TRIES):
        cut = _BETWEEN.match(body, at, end)
        if cut is None:
            return None
        try:
            # Alone, without an object around it: else the rest of another list would pass too.
            return _bare.decode(b"[" + body[at : cut.end(1)] + b"]"), cut.end()
        except UNREADABLE:
            end = min(cut.end(1), end - (end - at) // 4)  # less each time, so that all take little
    return None


class LastRead(Generic[T]):
    """What was read from the last documents, for as long as the same ones come."""

    def __init__(self) -> None:
        """Have read nothing."""
        self._last: tuple[bytes, T] | None = None

    async def of(self, bodies: Sequence[bytes], read: Callable[[], Awaitable[T]]) -> T:
        """Return what `read` makes of `bodies`, or made of the same ones last time.

        Raises:
            ProviderError: As `read` does. What was read before is kept then.
        """
        digest = await _digest(bodies)
        if self._last is None or self._last[0] != digest:
            self._last = digest, await read()
        return self._last[1]


async def _digest(bodies: Sequence[bytes]) -> bytes:
    digest = hashlib.blake2b()
    for body in bodies:
        digest.update(f"{len(body)} ".encode())
        for at in range(0, len(body), PIECE_BYTES):
            digest.update(memoryview(body)[at : at + PIECE_BYTES])
            if len(body) > PIECE_BYTES:
                await asyncio.sleep(0)
    return digest.digest()
