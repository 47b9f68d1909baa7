"""Where a document does not conform to a schema, found in a bounded time.

A validator's own report takes exponential time where schemas recurse below `anyOf`, and names more
than anybody reads. Its verdicts do not: those on parts of both lead from the roots to the places.
"""

from typing import Any, Final

from llmsvc_server.chat.output_check import SchemaViolation
from llmsvc_server.schemas.applied import applied
from llmsvc_server.schemas.document import DRAFT_07, Schema
from llmsvc_server.schemas.examined import Examined
from llmsvc_server.schemas.verdicts import Verdicts

MAX_VIOLATIONS: Final = 10
MAX_POINTER: Final = 256
UNCHECKED: Final = "unchecked"
"""Stands for a keyword where there is too much to look at."""

_OWN: Final = (
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxProperties",
    "minProperties",
    "required",
    "dependentRequired",
    "anyOf",
    "oneOf",
    "not",
    "contains",
    "propertyNames",
)
"""What is kept or not by the part itself, whatever of it is to blame."""
_UNEVALUATED: Final = ("unevaluatedProperties", "unevaluatedItems")

Place = tuple[dict[str, Any], Any, str]
"""A schema, a part of the document that does not conform to it, the pointer to that."""


def find_violations(
    examined: Examined, schema: Schema, document: object
) -> tuple[SchemaViolation, ...]:
    """Return up to ten places where a document does not conform to a schema, which it does not.

    Args:
        examined: What is known of the schema.
        schema: The same as Python values.
        document: What was checked.
    """
    if isinstance(schema, bool):
        return (SchemaViolation(pointer="", keyword="not"),)
    verdicts = Verdicts(examined, schema)
    found: dict[tuple[str, str], None] = {}
    try:
        _search(verdicts, (verdicts.root, document, ""), found)
    except ValueError:  # out of work, as a rule
        found.setdefault(("", UNCHECKED))
    places = list(found)[:MAX_VIOLATIONS] or [("", UNCHECKED)]
    return tuple(
        SchemaViolation(pointer=_bounded(pointer), keyword=keyword) for pointer, keyword in places
    )


def _search(verdicts: Verdicts, start: Place, found: dict[tuple[str, str], None]) -> None:
    waiting, seen = [start], {(id(start[0]), "")}
    while waiting and len(found) < MAX_VIOLATIONS:
        schema, part, at = waiting.pop()
        places = _own_places(verdicts, schema, part, at)
        inner: list[Place] = []
        for one in applied(verdicts, schema, part, at):
            if verdicts.conforms(one.schema, one.place):
                continue
            if isinstance(one.schema, bool):
                places.append((one.pointer, one.keyword))
            else:
                inner.append((one.schema, one.place, one.pointer))
            if len(places) + len(inner) >= MAX_VIOLATIONS:
                break
        if not places and not inner:
            places = [(at, keyword) for keyword in _UNEVALUATED if keyword in schema]
        found.update(dict.fromkeys(places))
        new = [one for one in inner if (id(one[0]), one[2]) not in seen]
        seen.update((id(one[0]), one[2]) for one in new)
        waiting += reversed(new)


def _own_places(
    verdicts: Verdicts, schema: dict[str, Any], part: object, at: str
) -> list[tuple[str, str]]:
    if verdicts.draft == DRAFT_07 and "$ref" in schema:
        return []
    return [
        (at, keyword)
        for keyword in _OWN
        if keyword in schema and not verdicts.passes(schema, keyword, part)
    ]


def _bounded(pointer: str) -> str:
    """Return a pointer, or that to what holds it where it is too long to be told."""
    while len(pointer) > MAX_POINTER:
        pointer = pointer.rpartition("/")[0]
    return pointer
