"""What of a schema's values an engine may get: numbers, lengths, texts, constants."""

import math
from collections.abc import Sequence
from typing import Any, Final

TYPES: Final = ("object", "array", "string", "number", "boolean", "null")
"""All types of JSON values: a number is one whether it is whole or not."""

MAX_ITEMS: Final = 256
MAX_INTEGER: Final = 10**9  # engines count to 2^31, and mistake what is beyond
MAX_NUMBER: Final = 2**53
MAX_NAME: Final = 128
MAX_VALUE: Final = 1024
_ESCAPED: Final = frozenset('"\\')
_RANGE: Final = (
    ("minimum", "exclusiveMinimum", 1),
    ("maximum", "exclusiveMaximum", -1),
)
"""Keyword, the one that leaves out the limit itself, and which way from it the numbers lie."""


def types_of(schema: dict[str, Any]) -> tuple[str, ...]:
    """Return the types that a schema names, none where it names none."""
    named = schema.get("type", ())
    return (named,) if isinstance(named, str) else tuple(named)


def is_of(found: object, types: Sequence[str]) -> bool:
    """Say whether a value is of one of the types; of any, where there are none."""
    kind = type_of(found)
    if not types or kind in types:
        return True
    return "integer" in types and kind == "number" and float(found) % 1 == 0  # type: ignore[arg-type]


def type_of(found: object) -> str:
    """Return the type of a JSON value."""
    if found is None:
        return "null"
    if isinstance(found, bool):
        return "boolean"
    if isinstance(found, int | float):
        return "number"
    if isinstance(found, str):
        return "string"
    return "object" if isinstance(found, dict) else "array"


def is_safe_value(found: object) -> bool:
    """Say whether a constant can be told to an engine: a scalar that every parser reads alike."""
    if isinstance(found, str):
        return len(found) <= MAX_VALUE and _is_safe_text(found)
    if isinstance(found, int | float):
        return abs(found) <= MAX_NUMBER
    return found is None


def is_safe_name(name: str) -> bool:
    """Say whether an engine can be told of a property of that name."""
    return 0 < len(name) <= MAX_NAME and _is_safe_text(name)


def _is_safe_text(text: str) -> bool:
    """Say whether a text stands in JSON as it is: engines write escapes wrong, or die of them."""
    return text.isprintable() and _ESCAPED.isdisjoint(text)


def range_of(schema: dict[str, Any], kind: str) -> tuple[dict[str, float], bool]:
    """Return the minimum and maximum of a number, and whether that is all that is said of them.

    Args:
        schema: What has them.
        kind: "integer" or "number".
    """
    limits: dict[str, float] = {}
    is_whole = True
    most = MAX_INTEGER if kind == "integer" else MAX_NUMBER
    for keyword, excluding, sign in _RANGE:
        given = [one for one in (keyword, excluding) if one in schema]
        safe = [one for one in given if abs(schema[one]) <= most]
        if len(safe) < len(given) or (kind == "number" and excluding in given):
            is_whole = False
        told = [
            _next_integer(schema[one], sign, is_excluded=one == excluding)
            if kind == "integer"
            else schema[one]
            for one in safe
        ]
        if told:
            limits[keyword] = max(told, key=lambda limit, sign=sign: limit * sign)  # type: ignore[misc]
    if limits.get("minimum", -math.inf) > limits.get("maximum", math.inf):
        return {}, False
    return limits, is_whole


def _next_integer(limit: float, sign: int, *, is_excluded: bool) -> int:
    """Return the first integer beyond a limit, upward where `sign` is 1, downward where it is -1."""
    first = math.ceil(limit * sign)
    return sign * (first + 1 if is_excluded and first == limit * sign else first)


def lengths_of(schema: dict[str, Any]) -> tuple[dict[str, int], bool]:
    """Return how many elements an array may have, and whether that is all that is said of it."""
    lengths: Sequence[str] = ("minItems", "maxItems")
    given = [key for key in lengths if key in schema]
    limits = {key: int(schema[key]) for key in given if 0 <= schema[key] <= MAX_ITEMS}
    if limits.get("minItems", 0) > limits.get("maxItems", MAX_ITEMS):
        return {}, False
    return limits, len(limits) == len(given)
