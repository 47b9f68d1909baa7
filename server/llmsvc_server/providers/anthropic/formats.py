"""The schema of an answer as the server takes it: less than JSON Schema has. Pure.

Every object closed, and the few keywords that its grammar knows. A schema that says more is sent
without that, and the answer is checked afterwards; one that can't be said so goes as it is, and the
server says what it does not take.

Source: docs/facts/providers.md 2.8.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from llmsvc_server.schemas.remembered import Remembered
from llmsvc_server.schemas.strict import fits_openai_strict
from llmsvc_server.schemas.wall import fenced

Schema: TypeAlias = Mapping[str, Any]

_UNTOLD: Final = frozenset({"maxItems", "maximum", "minimum", "prefixItems"})


class Shape(NamedTuple):
    """A schema to send: `is_whole` unless something of the caller's was left out.

    `is_taken` says that nothing is known of it that the server refuses.
    """

    schema: Schema | msgspec.Raw
    is_whole: bool
    is_taken: bool = True


class _NoShapeError(ValueError):
    """The schema can't be said in what the server takes."""


def _shape(schema_text: str) -> Shape:
    as_written = Shape(msgspec.Raw(schema_text.encode()), is_whole=True)
    if fits_openai_strict(schema_text):  # all of which is taken here too
        return as_written
    fence = fenced(schema_text)
    closing = _Closing()
    try:
        closed = closing.close(fence.schema)
    except _NoShapeError:
        return as_written._replace(is_taken=False)
    return Shape(closed, fence.is_whole and closing.is_whole)


shape_of = Remembered(_shape)
"""Returns what to send of the text of a schema."""


class _Closing:
    """Closes the objects of a schema without references, and counts what is left out.

    Attributes:
        is_whole: Whether all was taken over by now.
    """

    def __init__(self) -> None:
        self.is_whole = True

    def close(self, schema: Schema) -> Schema:
        closed = {"anyOf": [*map(self.close, schema["anyOf"])]} if "anyOf" in schema else None
        closed = closed or self._close_one(schema)
        description = schema.get("description")
        return closed if description is None else {**closed, "description": description}

    def _close_one(self, schema: Schema) -> dict[str, Any]:
        if "const" in schema:
            return {"const": schema["const"]}
        if "enum" in schema:
            return {"enum": schema["enum"]}
        kind = schema.get("type") or _implied(schema)
        if isinstance(kind, list):
            every = [self._close_one({"type": one}) for one in kind]
            return every[0] if len(every) == 1 else {"anyOf": every}
        self.is_whole = self.is_whole and _UNTOLD.isdisjoint(schema)
        if kind == "object":
            return self._close_object(schema)
        if kind == "array":
            return self._close_array(schema)
        return {"type": kind}

    def _close_object(self, schema: Schema) -> dict[str, Any]:
        others = schema.get("additionalProperties", True)
        named = schema.get("properties")
        if isinstance(others, dict) or (named is None and others):
            raise _NoShapeError  # closed, it could hold nothing
        closed: dict[str, Any] = {
            "type": "object",
            "properties": {name: self.close(one) for name, one in (named or {}).items()},
            "additionalProperties": False,
        }
        if "required" in schema:
            closed["required"] = schema["required"]
        return closed

    def _close_array(self, schema: Schema) -> dict[str, Any]:
        closed: dict[str, Any] = {"type": "array"}
        fewest = schema.get("minItems", 0)
        if fewest:
            closed["minItems"] = 1
            self.is_whole = self.is_whole and fewest == 1
        if "items" in schema:
            closed["items"] = self.close(schema["items"])
        return closed


def _implied(schema: Schema) -> str:
    """Return the type that a schema without one speaks of.

    Raises:
        _NoShapeError: It speaks of none.
    """
    if "properties" in schema:
        return "object"
    if "items" in schema:
        return "array"
    raise _NoShapeError
