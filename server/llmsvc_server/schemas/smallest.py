"""The smallest document that conforms to a schema, as the built-in mock answers with it."""

import json
import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, Final

from llmsvc_server.schemas.bounds import MAX_NUMBER, TYPES, types_of
from llmsvc_server.schemas.check import check_document
from llmsvc_server.schemas.document import DRAFT_07, Schema, read_json
from llmsvc_server.schemas.examined import Problem, examine
from llmsvc_server.schemas.merged import merge
from llmsvc_server.schemas.verdicts import Verdicts

MAX_STEPS: Final = 2_000
MAX_GUESSES: Final = 8
"""How many documents of one schema are tried, and how many ways to keep a union."""
MAX_LENGTH: Final = 4_096
_JOINED: Final = frozenset(
    {"$defs", "$ref", "allOf", "anyOf", "definitions", "else", "if", "oneOf", "then"}
)
_LIMITS: Final = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
_TEXTS: Final = (
    "a",
    "A",
    "0",
    "Aa0",
    "aaaa",
    "0000",
    "2000-01-01",
    "2000-01-01T00:00:00Z",
    "00:00:00",
    "a@a.aa",
    "https://a.aa",
    "127.0.0.1",
    "00000000-0000-4000-8000-000000000000",
    "+10000000000",
    "#000000",
    "1.0.0",
)
"""Tried where a schema says by `pattern` what a text looks like."""


def smallest(schema_text: str) -> str | None:
    """Return a small document that conforms to a schema, None where none is found.

    Deterministic and bounded. It is the smallest where the schema is made of common keywords: only
    what is required, the first of several choices, numbers next to 0. None comes where nothing
    conforms, and where a text must match an unusual `pattern`.

    Args:
        schema_text: A schema in which no problem was found.
    """
    examined = examine(schema_text)
    if isinstance(examined, Problem):
        return None
    schema = read_json(schema_text)
    if isinstance(schema, bool):
        return "{}" if schema else None
    verdicts = Verdicts(examined, schema)
    try:
        guesses = _Filler(verdicts).fill(verdicts.root)
    except ValueError:  # out of work, as a rule
        return None
    conforming = (one for one in guesses if not check_document(schema_text, one))
    texts = (json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in conforming)
    return next(texts, None)


class _Filler:
    """Makes documents of the schemas of one document."""

    def __init__(self, verdicts: Verdicts) -> None:
        self._verdicts = verdicts
        self._known = {id(one) for one in verdicts.graph.schemas}
        self._steps_left = MAX_STEPS

    def fill(self, schema: Schema, inside: frozenset[int] = frozenset()) -> list[Any]:
        """Return documents that conform, the smallest first; none where none is found.

        Args:
            schema: What is to be kept.
            inside: The schemas that this is in the middle of: none of them is needed again.
        """
        fitting: list[Any] = []
        for variant in self._variants(schema, inside):
            for guess in _guess(self, variant, inside | {id(schema)}):
                if self._keeps(schema, guess):
                    fitting.append(guess)
                if len(fitting) >= MAX_GUESSES:
                    return fitting
        return fitting

    def _keeps(self, schema: Schema, guess: object) -> bool:
        if isinstance(schema, bool) or id(schema) in self._known:
            return self._verdicts.conforms(schema, guess)
        return all(self._keeps(one, guess) for one in schema.get("allOf", ()))

    def _variants(self, schema: Schema, inside: frozenset[int]) -> list[dict[str, Any]]:
        """Return a schema and all that it joins as one, once for each way to keep its unions."""
        self._steps_left -= 1
        if schema is False or id(schema) in inside or self._steps_left < 0:
            return []
        if schema is True:
            return [{}]
        variants = [{key: one for key, one in schema.items() if key not in _JOINED}]
        choices = list(self._choices(schema))
        if self._verdicts.draft == DRAFT_07 and "$ref" in schema:
            variants, choices = [{}], choices[:1]
        for choice in choices:
            joined = [one for each in choice for one in self._variants(each, inside | {id(schema)})]
            variants = [merge(one, other) for one, other in product(variants, joined)][:MAX_GUESSES]
        return variants

    def _choices(self, schema: dict[str, Any]) -> Iterator[Sequence[Schema]]:
        """Yield lists of schemas of which one each is to be kept too."""
        if "$ref" in schema:
            yield [self._verdicts.graph.target_of(schema["$ref"])]
        for one in schema.get("allOf", ()):
            yield [one]
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                yield schema[keyword]
        if "if" in schema:
            yield [{"allOf": [schema["if"], schema.get("then", True)]}, schema.get("else", True)]


def _guess(filler: _Filler, schema: dict[str, Any], inside: frozenset[int]) -> Iterator[Any]:
    """Yield documents that may conform to plain keywords, the smallest of each type first."""
    if "const" in schema:
        yield schema["const"]
    elif "enum" in schema:
        yield from schema["enum"]
    else:
        for kind in types_of(schema) or TYPES:
            yield from _guess_type(filler, schema, kind, inside)


def _guess_type(
    filler: _Filler, schema: dict[str, Any], kind: str, inside: frozenset[int]
) -> Iterator[Any]:
    if kind == "object":
        yield from _objects(filler, schema, inside)
    elif kind == "array":
        yield from _arrays(filler, schema, inside)
    elif kind == "string":
        yield from _texts(schema)
    elif kind in ("integer", "number"):
        yield from _numbers(schema)
        yield from [0.5] if kind == "number" else []
    else:
        yield from [None] if kind == "null" else [False, True]


def _objects(filler: _Filler, schema: dict[str, Any], inside: frozenset[int]) -> Iterator[Any]:
    named, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    names = list(schema.get("required", ()))
    optional = [*named, *(f"property{number}" for number in range(1, MAX_GUESSES))]
    missing = int(min(schema.get("minProperties", 0), MAX_LENGTH)) - len(names)
    names += [name for name in optional if name not in names][: max(missing, 0)]
    values = [filler.fill(named.get(name, others), inside) for name in names]
    if all(values):
        for index in range(max(map(len, values), default=1)):
            yield {
                name: found[min(index, len(found) - 1)]
                for name, found in zip(names, values, strict=True)
            }


def _arrays(filler: _Filler, schema: dict[str, Any], inside: frozenset[int]) -> Iterator[Any]:
    first, others = schema.get("prefixItems", []), schema.get("items", True)
    if isinstance(others, list):
        first, others = others, schema.get("additionalItems", True)
    wanted = int(min(schema.get("minItems", 0), MAX_LENGTH))
    contained = filler.fill(schema["contains"], inside)[:1] if "contains" in schema else []
    start = [filler.fill(one, inside) for one in first[:wanted]]
    if not all(start):
        return
    rest = filler.fill(others, inside) if wanted > len(start) else []
    copies = wanted - len(start) - len(contained)
    if copies > 0 and not rest:
        return
    heads = [one[0] for one in start]
    yield heads + contained + rest[:1] * copies
    yield heads + (contained + rest)[: wanted - len(start)]


def _texts(schema: dict[str, Any]) -> Iterator[str]:
    length = int(min(schema.get("minLength", 0), MAX_LENGTH))
    yield "a" * length
    if "pattern" in schema:
        yield from _TEXTS
        yield from ("0" * length, "A" * length)
    yield from (letter * max(length, 1) for letter in "abcdefgh")


def _numbers(schema: dict[str, Any]) -> Iterator[float]:
    """Yield numbers next to 0, or to the limits: whole ones first."""
    yield 0
    limits = [schema[keyword] for keyword in _LIMITS if keyword in schema]
    step = schema.get("multipleOf", 1)
    for limit in limits:
        if abs(limit) <= MAX_NUMBER * min(step, 1):
            whole = math.floor(limit / step)
            yield from (count * step for count in (whole, whole + 1, whole - 1))
    yield from limits
    if len(limits) > 1 and max(map(abs, limits)) <= MAX_NUMBER:
        yield (limits[0] + limits[-1]) / 2
    yield from (count * step for count in range(1, MAX_GUESSES))
