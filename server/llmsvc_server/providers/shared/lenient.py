"""JSON that a strict decoder refuses, read as far as it can be. For what failed there already.

Servers in the field write what RFC 8259 leaves open or forbids: half of a surrogate pair, where a
character was cut in two (JavaScript's strings are UTF-16); bytes that are no UTF-8; a byte order
mark; NaN in log probabilities (Python's); bare control characters.
"""

import json
import re
from typing import TypeVar

import msgspec

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.shared.untyped import is_overgrown

T = TypeVar("T")

MAX_BYTES = 512 * 1024
"""Longest document that is read so: it takes 20 times as long as usual, and everybody waits."""

_BOM = "\ufeff"
_BLANKS = re.compile(r"[ \t\r\n]*")
_MAX_DIGITS = 100
_HALF = re.compile("[\ud800-\udfff]")
_FIRST_BYTE = b"\xed"
_MAX_HALVES = 10_000
"""How many halves that stand there as bytes are told apart: Python takes half a us for each."""


def _whole_number(digits: str) -> float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)


_decoder = json.JSONDecoder(strict=False, parse_int=_whole_number)

# Nesting without end is a RecursionError.
_UNREADABLE = (ValueError, RecursionError, msgspec.ValidationError)


def read_leniently(data: bytes, kind: type[T]) -> T:
    """Return the document in `data`.

    Its texts may hold halves of surrogate pairs: those of content are for a `Seam`, the others are
    fit for comparing only. Bytes that are no UTF-8 are U+FFFD.

    Raises:
        ProviderError: PROTOCOL. There is no such document, however it is read; or it is too long.
    """
    _check_size(data)
    try:
        return msgspec.convert(_decoder.decode(_text(data)), kind)
    except _UNREADABLE:
        raise ProviderError(ErrorKind.PROTOCOL, row="C08") from None


def read_anything(data: bytes) -> object:
    """Return the document in `data`, of any shape; None where `read_leniently` refuses it."""
    try:
        document: object = read_leniently(data, object)
    except ProviderError:
        return None
    return document


def read_several(data: bytes, kind: type[T]) -> list[T]:
    """Return the documents that stand one behind another in `data`, whatever their line breaks.

    Raises:
        ProviderError: PROTOCOL. One of them is no such document, or is cut; or all are too long.
    """
    _check_size(data)
    text = _text(data)
    documents: list[object] = []
    try:
        at = _skip_blanks(text, 0)
        while at < len(text):
            document, at = _decoder.raw_decode(text, at)
            documents.append(document)
            at = _skip_blanks(text, at)
        return msgspec.convert(documents, list[kind])  # type: ignore[valid-type]  # at run time
    except _UNREADABLE:
        raise ProviderError(ErrorKind.PROTOCOL, row="C08") from None


def write_strictly(document: object) -> bytes:
    """Return what was read so as JSON for a strict decoder: half characters are U+FFFD.

    Raises:
        ProviderError: PROTOCOL. It holds numbers that JSON has no form for.
    """
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        raise ProviderError(ErrorKind.PROTOCOL, row="C08") from None
    return _HALF.sub("\ufffd", text).encode()


def _check_size(data: bytes) -> None:
    if len(data) > MAX_BYTES or is_overgrown(data):
        raise ProviderError(ErrorKind.PROTOCOL, row="C08")


def _skip_blanks(text: str, at: int) -> int:
    match = _BLANKS.match(text, at)
    return at if match is None else match.end()


def _text(data: bytes) -> str:
    try:
        has_many = data.count(_FIRST_BYTE) > _MAX_HALVES
        # Halves as bytes: Java's own UTF-8.
        text = data.decode("utf-8", "strict" if has_many else "surrogatepass")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    return text.removeprefix(_BOM)


class Seam:
    """Joins texts between which a character may have been cut in two."""

    def __init__(self) -> None:
        """Hold nothing."""
        self._half = ""

    def join(self, text: str, *, is_last: bool) -> str:
        """Return `text` behind what was held back, without half characters.

        Args:
            text: The next piece of the answer's text.
            is_last: Whether no more can follow. Until then a first half at the end is held back.
        """
        text = self._half + text
        ends_open = not is_last and "\ud800" <= text[-1:] <= "\udbff"
        self._half = text[-1] if ends_open else ""
        whole = text[:-1] if ends_open else text
        # A codec with an error handler would take 50 ms for the longest text of halves.
        return _HALF.sub("\ufffd", json.loads(json.dumps(whole)))
