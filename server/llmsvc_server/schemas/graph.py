"""Which schemas of a document lead to which, references followed, and how often that repeats."""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

from llmsvc_server.schemas.document import (
    DRAFT_07,
    NOT_APPLIED,
    REFERENCES,
    draft_of,
    find_pointer,
    subschemas,
)
from llmsvc_server.schemas.forms import is_formed

_ANCHORS: Final = ("$anchor", "$dynamicAnchor")
_LOOKED_AT: Final = {"$id", "$schema", "pattern", "patternProperties", *_ANCHORS, *REFERENCES}


class Unsound(ValueError):
    """The document does not hang together: the message is the remedy, without a value of it."""


class Graph:
    """The schemas of one document and what each of them applies.

    Attributes:
        schemas: Each schema that is an object, the root first.
        pointers: Where each of them stands in the document, as a JSON Pointer.
        patterns: The regular expressions in all of them, each once.
    """

    def __init__(self, root: dict[str, Any], draft: str) -> None:
        """Follow everything from the root.

        Raises:
            Unsound: A reference leaves the document or points to no schema, names within it are
                not unique, or a part of it calls itself a document of its own.
        """
        self._root = root
        self._draft = draft
        self._numbers: dict[int, int] = {}
        self._applied: list[list[dict[str, Any]]] = []
        self._anchors: dict[str, dict[str, Any]] = {}
        self._references: list[tuple[int, str]] = []
        self.schemas: list[dict[str, Any]] = []
        self.pointers: list[str] = []
        self.patterns: set[str] = set()
        self._add(root, "")
        while references := self._references:
            self._references = []
            for number, reference in references:
                target = self._resolve(reference)
                if isinstance(target, dict):
                    self._applied[number].append(target)
                    self._add(target, unquote(reference.removeprefix("#")))
        self._inner = [[self._numbers[id(one)] for one in applied] for applied in self._applied]
        self._order = self._sort()

    def target_of(self, reference: str) -> Any:  # noqa: ANN401  # an object or a boolean
        """Return the schema that a reference of this document points to."""
        return self._resolve(reference)

    def weigh(self, own: Callable[[dict[str, Any]], int]) -> int:
        """Return what the root weighs with all that it applies, on each path again.

        What a schema leads back to itself by counts once.
        """
        weights = [0] * len(self.schemas)
        for number in self._order:
            inner = self._inner[number]
            weights[number] = own(self.schemas[number]) + sum([weights[one] or 1 for one in inner])
        return weights[0]

    def _sort(self) -> list[int]:
        """Return the numbers of the schemas that the root leads to, each after what it applies."""
        order: list[int] = []
        is_entered, is_sorted = [False] * len(self.schemas), [False] * len(self.schemas)
        stack = [0]
        while stack:
            number = stack[-1]
            if is_entered[number]:
                stack.pop()
                if not is_sorted[number]:
                    is_sorted[number] = True
                    order.append(number)
            else:
                is_entered[number] = True
                stack += [one for one in self._inner[number] if not is_entered[one]]
        return order

    def pointer_of(self, schema: dict[str, Any]) -> str:
        """Return where a schema of this document stands in it."""
        return self.pointers[self._numbers[id(schema)]]

    def count_reached(self, schema: dict[str, Any]) -> int:
        """Return how many schemas one leads to, itself included, each counted once."""
        waiting, seen = [schema], {id(schema)}
        while waiting:
            for one in self._applied[self._numbers[id(waiting.pop())]]:
                if id(one) not in seen:
                    seen.add(id(one))
                    waiting.append(one)
        return len(seen)

    def _add(self, root: dict[str, Any], at: str) -> None:
        waiting = [(at, root)]
        while waiting:
            pointer, schema = waiting.pop()
            if id(schema) in self._numbers:
                continue
            number = self._numbers[id(schema)] = len(self.schemas)
            self.schemas.append(schema)
            self.pointers.append(pointer)
            if not is_formed(schema):
                raise Unsound("Must have keywords of JSON Schema in their own form only.")
            if not _LOOKED_AT.isdisjoint(schema):
                self._name(schema)
                self._refer(number, schema)
                self.patterns.update(patterns_of(schema))
            inner = [one for one in subschemas(schema) if isinstance(one[2], dict)]
            waiting += [(f"{pointer}/{keyword}{path}", one) for keyword, path, one in inner]
            only_refers = self._draft == DRAFT_07 and "$ref" in schema
            applied = [one for keyword, _, one in inner if keyword not in NOT_APPLIED]
            self._applied.append([] if only_refers else applied)

    def _name(self, schema: dict[str, Any]) -> None:
        if schema is not self._root:
            if "$schema" in schema and draft_of(schema) != self._draft:
                raise Unsound("Must be of one draft throughout: leave `$schema` to its root.")
            if self._is_apart(schema.get("$id")):
                raise Unsound("Must be one document: leave out `$id`, and refer with `#/`.")
        names = [schema.get(keyword) for keyword in _ANCHORS]
        if self._draft == DRAFT_07:
            names = [str(schema.get("$id", "")).removeprefix("#")]
        for name in {name for name in names if isinstance(name, str) and name}:
            if self._anchors.setdefault(name, schema) is not schema:
                raise Unsound("Must not give a name to two schemas: `$anchor` must be unique.")

    def _is_apart(self, identifier: object) -> bool:
        if identifier is None:
            return False
        is_anchor = isinstance(identifier, str) and identifier.startswith("#")
        return not (is_anchor and self._draft == DRAFT_07)

    def _refer(self, number: int, schema: dict[str, Any]) -> None:
        for keyword in REFERENCES:
            reference = schema.get(keyword)
            if isinstance(reference, str):
                if not reference.startswith("#"):
                    raise Unsound("Must refer to nothing outside: each `$ref` starts with `#`.")
                self._references.append((number, reference))

    def _resolve(self, reference: str) -> Any:  # noqa: ANN401
        if reference == "#" or reference.startswith("#/"):
            target = find_pointer(self._root, reference)
        else:
            target = self._anchors.get(reference.removeprefix("#"))
        if not isinstance(target, dict | bool):
            raise Unsound("Must refer to schemas only: each `$ref` points to one in it.")
        return target


def patterns_of(schema: dict[str, Any]) -> list[str]:
    """Return the regular expressions that one schema has itself."""
    pattern, named = schema.get("pattern"), schema.get("patternProperties")
    found = [pattern] if isinstance(pattern, str) else []
    return found + list(named) if isinstance(named, dict) else found
