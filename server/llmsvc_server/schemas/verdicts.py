"""The validator's word on parts: does this part of a document conform to that part of a schema."""

from typing import Any, Final
from urllib.parse import quote

import jsonschema_rs

from llmsvc_server.schemas.document import DRAFT_07, Schema, escaped
from llmsvc_server.schemas.examined import Examined, compile_schema
from llmsvc_server.schemas.graph import Graph

MAX_WORK: Final = 20_000_000
_ROOT: Final = "urn:schema:checked"
_CHARACTERS_PER_VALUE: Final = 16
_ASKING_WORK: Final = 300
_COMPILING_WORK: Final = 200  # for each schema that is reached


class OutOfWork(ValueError):
    """Verdicts have taken all the work that they may."""


class Verdicts:
    """Gives verdicts on parts, until they have taken too much work.

    Attributes:
        graph: The schemas of the document.
        root: The one that all of them stand in.
        draft: The draft that it is of.
    """

    def __init__(self, examined: Examined, schema: dict[str, Any]) -> None:
        """Know the schema, and what looking at one value with it costs."""
        self.draft = examined.draft
        self.root = {key: one for key, one in schema.items() if key != "$id"}
        self.graph = Graph(self.root, self.draft)
        draft = jsonschema_rs.Draft7 if self.draft == DRAFT_07 else jsonschema_rs.Draft202012
        self._registry = jsonschema_rs.Registry([(_ROOT, self.root)], draft=draft)
        self._validators: dict[str, jsonschema_rs.Validator] = {}
        self._work = examined.work
        self._left = MAX_WORK

    def conforms(self, schema: Schema, part: object) -> bool:
        """Say whether a part conforms to a schema of the document.

        Raises:
            OutOfWork: There is no more to be had.
        """
        if isinstance(schema, bool):
            return schema
        at = self.graph.pointer_of(schema)
        return self._ask(at, _refer(at), part, schema)

    def passes(self, schema: dict[str, Any], keyword: str, part: object) -> bool:
        """Say whether a part passes one keyword of a schema.

        Raises:
            OutOfWork: There is no more to be had.
        """
        at = self.graph.pointer_of(schema)
        found = schema[keyword]
        alone: dict[str, Any] = {keyword: found}
        if isinstance(found, dict) and keyword != "const":
            alone = {keyword: _refer(f"{at}/{keyword}")}
        elif isinstance(found, list) and keyword in ("anyOf", "oneOf"):
            alone = {keyword: [_refer(f"{at}/{keyword}/{index}") for index in range(len(found))]}
        if keyword == "contains":
            alone |= {key: schema[key] for key in ("minContains", "maxContains") if key in schema}
        if keyword == "dependentRequired":
            alone = {keyword: found}
        return self._ask(f"{at} {keyword}", alone, part, schema)

    def matches(self, schema: dict[str, Any], pattern: str, name: str) -> bool:
        """Say whether one of the patterns of a schema matches a name."""
        at = f"{self.graph.pointer_of(schema)} {escaped(pattern)}"
        return not self._ask(at, {"patternProperties": {pattern: False}}, {name: 0}, schema)

    def _ask(self, key: str, asked: dict[str, Any], part: object, schema: dict[str, Any]) -> bool:
        """Have a part checked by a schema that is compiled once; it is made of `schema`'s."""
        self._spend(_ASKING_WORK + self._work * size_of(part))
        validator = self._validators.get(key)
        if validator is None:
            self._spend(_COMPILING_WORK * self.graph.count_reached(schema))
            validator = compile_schema(asked, self.draft, self._registry)
            self._validators[key] = validator
        return validator.is_valid(part)

    def _spend(self, work: int) -> None:
        self._left -= work
        if self._left < 0:
            raise OutOfWork


def _refer(pointer: str) -> dict[str, Any]:
    return {"$ref": f"{_ROOT}#{quote(pointer)}"}


def size_of(document: object) -> int:
    """Return how much there is to look at: values, and long strings by their length."""
    size = 0
    level = [document]
    while level:
        size += len(level)
        inner: list[object] = []
        for one in level:
            if isinstance(one, str):
                size += len(one) // _CHARACTERS_PER_VALUE
            elif isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list):
                inner += one
        level = inner
    return size
