"""Values out of documents that may hold anything: each as what it is wanted for, or as nothing."""

from collections.abc import Iterable, Mapping

import msgspec

MAX_TOKENS = 2**31 - 1
"""Largest number of tokens that is believed: what the contract's int32 holds."""

# Nesting without end is a RecursionError, bytes that are no UTF-8 are not a DecodeError.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no document of the kind that is wanted."""


MAX_VALUES = 100_000
"""How many values one document may hold. No answer has so many, and each has to be made."""

SHORT_BYTES = 64 * 1024


def is_overgrown(data: bytes) -> bool:
    """Return whether a document may hold too many values: to decode it would hold up everybody."""
    return len(data) > SHORT_BYTES and values_in(data) > MAX_VALUES


def values_in(data: bytes) -> int:
    """Return how many values a document may hold, about.

    Counts what stands between values and what begins them, in texts as well: this has to be quick.
    """
    return len(data) - len(data.translate(None, b",[{"))


def fields_of(value: object) -> Mapping[str, object]:
    """Return an object's fields; none where it is no object."""
    return value if isinstance(value, dict) else {}


def text_of(value: object) -> str:
    """Return a text; "" where it is none."""
    return value if isinstance(value, str) else ""


def count_of(value: object, maximum: int = MAX_TOKENS) -> int | None:
    """Return a whole number from 0 to `maximum`; None where it is none."""
    return counts_of((value,), maximum)[0]


def counts_of(values: Iterable[object], maximum: int = MAX_TOKENS) -> list[int | None]:
    """Return each of some values as `count_of` would."""
    counts: list[int | None] = []
    for value in values:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= maximum:
            counts.append(value)
        else:
            counts.append(None)
    return counts
