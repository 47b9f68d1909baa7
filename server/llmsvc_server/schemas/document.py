"""The text of a schema as Python values, and where in it other schemas stand."""

import json
import math
from collections.abc import Iterator
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

Schema: TypeAlias = dict[str, Any] | bool
"""A schema as JSON has it; what stands under its keywords is whatever a caller wrote."""

DRAFT_07: Final = "http://json-schema.org/draft-07/schema"
DRAFT_2020_12: Final = "https://json-schema.org/draft/2020-12/schema"

MAX_DEPTH: Final = 32
"""Objects and arrays inside each other, in schemas and in arguments: docs/contract.md 3."""

REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_ONE: Final = frozenset(
    {
        "additionalItems",
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
_INDEX_DIGITS: Final = 9
_MANY: Final = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
NOT_APPLIED: Final = frozenset({"$defs", "contentSchema", "definitions"})
"""Where schemas stand of which nothing is asked there."""
_NAMED: Final = {
    "$defs",
    "definitions",
    "dependencies",
    "dependentSchemas",
    "patternProperties",
    "properties",
}


class NotJson(ValueError):
    """The text is no JSON that every parser reads alike."""


class TooDeep(ValueError):
    """Objects and arrays stand deeper inside each other than is allowed."""


def read_json(text: str, *, max_depth: int = MAX_DEPTH) -> Any:  # noqa: ANN401  # it is any JSON
    """Return the values of a JSON text.

    Raises:
        NotJson: It is none, names a member twice, or has what not every parser takes: NaN,
            halves of characters, numbers of more than 308 digits.
        TooDeep: It nests deeper than `max_depth`.
    """
    try:
        document = json.loads(
            text,
            parse_constant=_refuse,
            parse_float=_finite,
            parse_int=_finite_integer,
            object_pairs_hook=_object,
        )
        if "\\u" in text:
            json.dumps(document, ensure_ascii=False).encode()  # refuses half a character
    except RecursionError:
        raise TooDeep from None
    except ValueError:
        raise NotJson from None
    if depth_of(document) > max_depth:
        raise TooDeep
    return document


def _refuse(_constant: str) -> None:
    raise NotJson


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise NotJson  # parsers differ in what becomes of it
    return number


def _finite_integer(digits: str) -> int:
    _finite(digits)  # it may be of the same value as one that is not written as an integer
    return int(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise NotJson  # parsers differ in which of them counts
    return members


def depth_of(document: object) -> int:
    """Return how many objects and arrays stand inside each other; 0 for a scalar."""
    depth = 0
    level = [document] if isinstance(document, dict | list) else []
    while level:
        depth += 1
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, (dict, list))  # a third faster than a union
        ]
    return depth


def draft_of(schema: Schema) -> str | None:
    """Return the draft that a schema names, 2020-12 where it names none, None for another one."""
    named = schema.get("$schema", DRAFT_2020_12) if isinstance(schema, dict) else DRAFT_2020_12
    plain = named.removesuffix("#") if isinstance(named, str) else named
    return plain if plain in (DRAFT_07, DRAFT_2020_12) else None


def subschemas(schema: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield keyword, path below it and value of each schema that stands in another one.

    The path is a JSON Pointer from the keyword's value, "" for the value itself. What a caller put
    where a schema belongs may be anything.
    """
    for keyword, found in schema.items():
        if keyword in _NAMED and isinstance(found, dict):
            for name, one in found.items():
                yield keyword, "/" + escaped(name), one
        elif keyword in _MANY and isinstance(found, list):
            for index, one in enumerate(found):
                yield keyword, f"/{index}", one
        elif keyword in _ONE:
            yield keyword, "", found


def escaped(name: str) -> str:
    """Return a name as one token of a JSON Pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def find_pointer(root: Schema, pointer: str) -> Any:  # noqa: ANN401  # whatever stands there
    """Return what a reference such as "#/$defs/a%20b" points to, None where that is nothing."""
    found: Any = root
    for token in unquote(pointer.removeprefix("#")).split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(name)
        elif isinstance(found, list) and name.isdecimal() and name.isascii():
            found = dict(enumerate(found)).get(int(name[:_INDEX_DIGITS]))
        else:
            return None
    return found
