"""What an engine is given of a caller's schema: built anew, keyword by keyword.

Some schemas end an engine, for everybody (docs/facts/ollama.md 12). So only forms pass that engines
are known to take, and what stands in them is bounded. References are replaced by what they point to.
"""

import dataclasses
from typing import Any, Final

from llmsvc_server.chat.value import value
from llmsvc_server.schemas.bounds import (
    MAX_ITEMS,
    TYPES,
    is_of,
    is_safe_value,
    lengths_of,
    range_of,
    type_of,
    types_of,
)
from llmsvc_server.schemas.document import DRAFT_07, Schema, draft_of, read_json
from llmsvc_server.schemas.examined import Problem, examine
from llmsvc_server.schemas.fence_objects import fence_object
from llmsvc_server.schemas.grammar import MAX_GRAMMAR, grammar_length
from llmsvc_server.schemas.graph import Graph
from llmsvc_server.schemas.remembered import Remembered

DEPTHS: Final = (31, 9, 7, 5, 3, 1)
"""How deep what an engine gets may nest, lists of values besides; less where that is too much."""
MAX_SCHEMAS: Final = 512
MAX_PROPERTIES: Final = 256
MAX_VALUES: Final = 512
MAX_PREFIX: Final = 32
MAX_CHARACTERS: Final = 32 * 1024
_PARTS: Final = frozenset(
    {"additionalProperties", "items", "patternProperties", "prefixItems", "properties", "required"}
)
_SPREADING: Final = frozenset(
    {"allOf", "anyOf", "dependencies", "dependentSchemas", "else", "oneOf", "then"}
)
"""What may ask for properties that the schema itself does not name."""
_NEVER: Final = frozenset(
    {
        "contains",
        "dependencies",
        "dependentRequired",
        "dependentSchemas",
        "else",
        "format",
        "if",
        "maxLength",
        "maxProperties",
        "minLength",
        "minProperties",
        "multipleOf",
        "not",
        "pattern",
        "patternProperties",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
        "uniqueItems",
    }
)
"""What no engine is told."""
_OTHERS: Final = frozenset(
    {
        "$dynamicRef",
        "$ref",
        "additionalItems",
        "allOf",
        "anyOf",
        "const",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "maxItems",
        "maximum",
        "minItems",
        "minimum",
        "oneOf",
        "type",
    }
)
_CONSTRAINTS: Final = _PARTS | _NEVER | _OTHERS
"""What makes a schema accept less; all else only describes."""


@value
class Fenced:
    """A schema that no engine dies of: `is_whole` unless something of the caller's was left out.

    `schema` accepts whatever the caller's does, and is ready to be encoded. It is shared: nobody may
    change it.
    """

    schema: dict[str, Any] = dataclasses.field(repr=False)
    is_whole: bool


def _fence(schema_text: str) -> Fenced:
    if isinstance(examine(schema_text), Problem):
        return Fenced(schema=anything(), is_whole=False)
    schema = read_json(schema_text)
    draft = draft_of(schema) or ""
    for depth in DEPTHS:
        fence = Fence(schema, draft, depth)
        built = fence.build(schema, 1)
        if grammar_length(built) <= MAX_GRAMMAR:
            return Fenced(schema=built, is_whole=fence.is_whole)
    return Fenced(schema=Fence(schema, draft, 0).build(schema, 1), is_whole=False)


_fences = Remembered(_fence)


def fenced(schema_text: str) -> Fenced:
    """Return what an engine may be given of a schema: nothing of one in which a problem was found."""
    return _fences(schema_text)


def anything() -> dict[str, Any]:
    """Return the schema of any value, in words: engines take an empty one for that of an object."""
    return {"type": list(TYPES)}


class Fence:
    """Builds one schema, and counts what goes into it.

    Attributes:
        is_whole: Whether all was taken over by now.
        draft: The draft that the caller's schema is of.
        properties_left: How many more properties there may be.
    """

    def __init__(self, root: Schema, draft: str, max_depth: int) -> None:
        """Begin with nothing built."""
        self._max_depth = max_depth
        self._graph = Graph(root if isinstance(root, dict) else {}, draft)
        self._inside = {id(root)}
        self._schemas_left = MAX_SCHEMAS
        self._values_left = MAX_VALUES
        self._characters_left = MAX_CHARACTERS
        self.properties_left = MAX_PROPERTIES
        self.draft = draft
        self.is_whole = True

    def build(self, schema: Schema, depth: int) -> dict[str, Any]:
        """Return what an engine gets of one of the caller's schemas.

        Args:
            schema: What the caller wrote.
            depth: In how many objects and arrays it is to stand, itself included.
        """
        if isinstance(schema, bool):
            self.is_whole = self.is_whole and schema
            return anything()
        self._schemas_left -= 1
        if depth > self._max_depth or self._schemas_left < 0:
            self.is_whole = False
            return self._bare(schema)
        built = self._build_object(schema, depth)
        description = schema.get("description")
        if isinstance(description, str) and self._has_room(description):
            built = {**built, "description": description}
        return built

    def leave_out(self) -> None:
        """Note that something of the caller's is not taken over."""
        self.is_whole = False

    def _bare(self, *schemas: Schema) -> dict[str, Any]:
        """Return the type that one of several schemas names, all of which are to be kept."""
        for schema in schemas:
            if isinstance(schema, bool) or (self.draft == DRAFT_07 and "$ref" in schema):
                continue
            if types := types_of(schema):
                return {"type": types[0] if len(types) == 1 else list(types)}
        return anything()

    def _has_room(self, text: str) -> bool:
        self._characters_left -= len(text)
        return self._characters_left >= 0

    def _build_object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        reference = schema.get("$ref", schema.get("$dynamicRef"))
        if reference is not None:
            return self._follow(schema, reference, depth)
        keywords = _CONSTRAINTS & schema.keys()
        if keywords & _NEVER:
            self.is_whole = False
        if not keywords.isdisjoint(("const", "enum")):
            return self._build_values(schema, keywords)
        if not keywords.isdisjoint(("allOf", "anyOf", "oneOf")):
            return self._build_combined(schema, keywords, depth)
        return self._build_types(schema, depth)

    def _build_combined(
        self, schema: dict[str, Any], keywords: frozenset[str], depth: int
    ) -> dict[str, Any]:
        if keywords == {"allOf"} and len(schema["allOf"]) == 1:
            return self.build(schema["allOf"][0], depth + 1)
        if keywords & _PARTS:
            self.is_whole = False
            return self._build_types(schema, depth)
        if "allOf" in keywords:
            self.is_whole = False
            return self._bare(schema, *schema["allOf"])
        return self._build_union(schema, keywords, depth)

    def _follow(self, schema: dict[str, Any], reference: str, depth: int) -> dict[str, Any]:
        target = self._graph.target_of(reference)
        others = _CONSTRAINTS & schema.keys() - {"$ref", "$dynamicRef"}
        if self.draft == DRAFT_07:
            others, schema = frozenset(), {}
        if others:
            self.is_whole = False
        if id(target) in self._inside or others & (_PARTS | _SPREADING):
            self.is_whole = False
            return self._bare(schema, target)
        self._inside.add(id(target))
        built = self.build(target, depth + 1)
        self._inside.discard(id(target))
        return built

    def _build_values(self, schema: dict[str, Any], keywords: frozenset[str]) -> dict[str, Any]:
        types = types_of(schema)
        values = [schema["const"]] if "const" in schema else schema["enum"]
        values = [one for one in values if is_of(one, types)]
        if keywords - {"const", "enum", "type"} or {"const", "enum"} <= keywords:
            self.is_whole = False
        self._values_left -= len(values)
        is_safe = all(map(is_safe_value, values)) and self._has_room("".join(map(str, values)))
        if not values or self._values_left < 0 or not is_safe:
            self.is_whole = False
            kinds = {type_of(one) for one in values}
            return {"type": [one for one in TYPES if one in kinds]} if kinds else self._bare(schema)
        named = {"type": types[0]} if len(types) == 1 else {}
        return {**named, "const": values[0]} if "const" in schema else {**named, "enum": values}

    def _build_union(
        self, schema: dict[str, Any], keywords: frozenset[str], depth: int
    ) -> dict[str, Any]:
        union = "anyOf" if "anyOf" in keywords else "oneOf"
        branches = [one for one in schema[union] if one is not False]
        if keywords - {union, "type"} or (union == "oneOf" and len(branches) > 1):
            self.is_whole = False
        if "type" in schema:
            branches = [_typed(one, schema["type"]) for one in branches]
        if not branches:
            self.is_whole = False
            return self._bare(schema)
        built = [self.build(one, depth + 2) for one in branches]
        if len(built) == 1:
            return built[0]
        return anything() if anything() in built else {"anyOf": built}

    def _build_types(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        types = types_of(schema) or _implied(schema)
        if not types:
            if _CONSTRAINTS & schema.keys():
                self.is_whole = False
            return anything()
        if len(types) == 1:
            built = self._build_type(schema, types[0], depth)
            if "type" not in schema:
                built.pop("type")
            return built or anything()
        every = [self._build_type(schema, one, depth + 2) for one in types]
        if all(len(one) == 1 for one in every):
            return {"type": list(types)}
        return {"anyOf": every}

    def _build_type(self, schema: dict[str, Any], kind: str, depth: int) -> dict[str, Any]:
        if kind == "object":
            return fence_object(self, schema, depth, is_open=bool(_SPREADING & schema.keys()))
        if kind == "array":
            return self._build_array(schema, depth)
        if kind in ("integer", "number"):
            limits, is_whole = range_of(schema, kind)
            self.is_whole = self.is_whole and is_whole
            return {"type": kind, **limits}
        return {"type": kind}

    def _build_array(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        first, others = schema.get("prefixItems", []), schema.get("items", True)
        if self.draft == DRAFT_07:
            first, others = [], schema.get("items", True)
            if isinstance(others, list):
                first, others = others, schema.get("additionalItems", True)
        limits, is_whole = lengths_of(schema)
        built: dict[str, Any] = {"type": "array", **limits}
        if others is False:
            built["maxItems"] = min(limits.get("maxItems", len(first)), len(first))
        fewest, most = limits.get("minItems", 0), built.get("maxItems", MAX_ITEMS)
        if fewest > most or len(first) > MAX_PREFIX or (first and not fewest <= len(first) <= most):
            self.is_whole = False
            return {"type": "array"}
        self.is_whole = self.is_whole and is_whole and not (first and isinstance(others, dict))
        if first:
            return built | {"prefixItems": [self.build(one, depth + 2) for one in first]}
        return (
            built if isinstance(others, bool) else built | {"items": self.build(others, depth + 1)}
        )


def _typed(schema: Schema, kind: str | list[str]) -> Schema:
    """Return a branch of a union with the type that stands beside the union."""
    if isinstance(schema, bool):
        return {"type": kind}
    return schema if "type" in schema or "$ref" in schema else {**schema, "type": kind}


def _implied(schema: dict[str, Any]) -> tuple[str, ...]:
    """Return the type that a schema without one speaks of."""
    is_object = not {"additionalProperties", "properties", "required"}.isdisjoint(schema)
    is_array = not {"items", "prefixItems"}.isdisjoint(schema)
    if is_object == is_array:
        return ()
    return ("object",) if is_object else ("array",)
