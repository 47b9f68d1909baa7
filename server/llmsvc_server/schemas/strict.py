"""Which schemas a vendor takes as strict: what it then keeps to while it writes."""

from collections.abc import Iterator
from typing import Any, Final

from llmsvc_server.schemas.document import draft_of, read_json
from llmsvc_server.schemas.examined import Problem, examine
from llmsvc_server.schemas.graph import Graph
from llmsvc_server.schemas.remembered import Remembered

MAX_DEPTH: Final = 5
MAX_PROPERTIES: Final = 100
MAX_VALUES: Final = 500
_EVERYWHERE: Final = frozenset({"description", "title"})
_AT_ROOT: Final = _EVERYWHERE | {"$defs", "$schema", "definitions"}
_OF_TYPES: Final = frozenset(
    {"additionalProperties", "const", "enum", "items", "properties", "required", "type"}
)


class _Unfit(ValueError):
    """The schema has what the subset lacks."""


class _Measure:
    """Walks a schema with its references followed, and counts against the limits."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._graph = Graph(root, draft_of(root) or "")
        self._properties_left = MAX_PROPERTIES
        self._values_left = MAX_VALUES
        self._inside: set[int] = set()

    def take(self, schema: object, depth: int) -> None:
        if not isinstance(schema, dict) or depth > MAX_DEPTH:
            raise _Unfit
        keywords = schema.keys() - (_AT_ROOT if schema is self._root else _EVERYWHERE)
        if keywords == {"$ref"} and schema is not self._root:
            self._follow(schema, depth)
        elif keywords == {"anyOf"} and schema is not self._root:
            for one in schema["anyOf"]:
                self.take(one, depth)
        elif "type" in keywords and keywords <= _OF_TYPES:
            self._take_types(schema, depth)
        else:
            raise _Unfit

    def _follow(self, schema: dict[str, Any], depth: int) -> None:
        target = self._graph.target_of(schema["$ref"])
        if len(schema) > 1 or id(target) in self._inside or target is self._root:
            raise _Unfit
        self._inside.add(id(target))
        self.take(target, depth)
        self._inside.discard(id(target))

    def _take_types(self, schema: dict[str, Any], depth: int) -> None:
        kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        self._values_left -= len(schema.get("enum", ()))
        if self._values_left < 0:
            raise _Unfit
        if ("object" in kinds) != ("properties" in schema) or ("array" in kinds) != (
            "items" in schema
        ):
            raise _Unfit
        for one in self._inner(schema):
            self.take(one, depth + 1)

    def _inner(self, schema: dict[str, Any]) -> Iterator[object]:
        if "items" in schema:
            yield schema["items"]
        if "properties" not in schema:
            return
        named = schema["properties"]
        self._properties_left -= len(named)
        is_closed = schema.get("additionalProperties") is False
        is_required = set(schema.get("required", ())) == named.keys()
        if self._properties_left < 0 or not is_closed or not is_required:
            raise _Unfit
        yield from named.values()


def _fits(schema_text: str) -> bool:
    if isinstance(examine(schema_text), Problem):
        return False
    schema = read_json(schema_text)
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return False
    try:
        _Measure(schema).take(schema, 1)
    except _Unfit:
        return False
    return True


_answers = Remembered(_fits)


def fits_openai_strict(schema_text: str) -> bool:
    """Say whether a schema keeps the subset that `strict` needs.

    Every object closed and all of its properties required, the few keywords that no model of the
    vendor ever refused, and the lowest limits that it had: a schema that is not strict costs a check,
    one that is refused costs the request.
    """
    return _answers(schema_text)
