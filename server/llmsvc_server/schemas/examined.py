"""A schema that was looked through before anything else is done with it."""

from collections.abc import Callable
from typing import Any, Final

import jsonschema_rs

from llmsvc_server.chat.value import value
from llmsvc_server.errors import ViolationReason
from llmsvc_server.schemas.document import (
    DRAFT_07,
    DRAFT_2020_12,
    MAX_DEPTH,
    NotJson,
    Schema,
    TooDeep,
    draft_of,
    read_json,
)
from llmsvc_server.schemas.graph import Graph, Unsound, patterns_of
from llmsvc_server.schemas.remembered import Remembered

MAX_PATHS: Final = 10_000
MAX_PATTERNS: Final = 128
MAX_BACKTRACKING_PATTERNS: Final = 8
_LINEAR: Final = jsonschema_rs.RegexOptions(size_limit=1 << 18, dfa_size_limit=1 << 17)
_SMALL: Final = jsonschema_rs.RegexOptions(size_limit=1 << 14, dfa_size_limit=1 << 17)
_BACKTRACKING: Final = jsonschema_rs.FancyRegexOptions(
    backtrack_limit=10_000, size_limit=1 << 21, dfa_size_limit=1 << 17
)
_VALIDATORS: Final = {
    DRAFT_07: jsonschema_rs.Draft7Validator,
    DRAFT_2020_12: jsonschema_rs.Draft202012Validator,
}
_PATTERN_WEIGHT: Final = 500  # characters that take as much memory, of 30 bytes each
_LARGE_PATTERN_WEIGHT: Final = 15_000
_LARGEST_PATTERN_WEIGHT: Final = 60_000
_LARGE_EFFORT: Final = 4
_BACKTRACKING_EFFORT: Final = 16
_COMPARED: Final = ("const", "dependentRequired", "enum", "required")
_COSTLY: Final = {"pattern", "patternProperties", "uniqueItems", *_COMPARED}
_PATTERN_WORK: Final = 8  # a match takes so many times what another keyword does
_UNIQUE_WORK: Final = 40
_COMPARISONS_PER_WORK: Final = 8


@value
class Problem:
    """Why a schema is refused, and the remedy, at most 64 bytes. Nothing of the schema is in it.

    `effort` is as in `Examined`.
    """

    reason: ViolationReason
    description: str
    effort: int = 0


@value
class Examined:
    """A schema without problems.

    `is_of_objects` says that its root has no other type. `work` is what one value of a document may cost, in keywords that look at it, on all paths.
    `backtracking` is the same in characters of regular expressions that match in no linear time.
    `weight` is what it takes of memory besides its text, in characters of such. `effort` is what
    was taken of time besides: in regular expressions that are small, at most 1 ms each.
    """

    validator: jsonschema_rs.Validator
    draft: str
    is_of_objects: bool
    work: int
    backtracking: int
    weight: int
    effort: int


def _problem(
    description: str, reason: ViolationReason = ViolationReason.MALFORMED, effort: int = 0
) -> Problem:
    return Problem(reason=reason, description=description, effort=effort)


def _examine(text: str) -> Examined | Problem:
    try:
        schema = read_json(text)
    except TooDeep:
        return _problem(
            f"Must not nest deeper than {MAX_DEPTH} levels: use `$defs`.",
            ViolationReason.OUT_OF_RANGE,
        )
    except NotJson:
        return _problem("Must be JSON that all parsers read alike, each member once.")
    if not isinstance(schema, dict | bool):
        return _problem("Must be a JSON Schema: an object, or true or false.")
    draft = draft_of(schema)
    if draft is None:
        return _problem("Must be of draft 2020-12 or draft-07: leave out `$schema`.")
    try:
        return _examine_schema(text, schema, draft)
    except Unsound as unsound:
        return _problem(str(unsound))


def _examine_schema(text: str, schema: Schema, draft: str) -> Examined | Problem:
    graph = Graph(schema if isinstance(schema, dict) else {}, draft)
    if graph.weigh(lambda _: 1) > MAX_PATHS:
        return _problem(
            f"Must not come to more than {MAX_PATHS} schemas: `$ref` less.",
            ViolationReason.OUT_OF_RANGE,
        )
    if len(graph.patterns) > MAX_PATTERNS:
        return _problem(
            f"Must not have more than {MAX_PATTERNS} different regular expressions.",
            ViolationReason.TOO_MANY,
        )
    backtracking = _not_compiling(graph.patterns, _LINEAR)
    effort = _LARGE_EFFORT * len(graph.patterns)
    if len(backtracking) > MAX_BACKTRACKING_PATTERNS:
        return _problem(
            f"Must not have over {MAX_BACKTRACKING_PATTERNS} patterns that look around, or large.",
            ViolationReason.TOO_MANY,
            effort,
        )
    effort += _BACKTRACKING_EFFORT * len(backtracking)
    if not all(compiles({"pattern": one}, _BACKTRACKING) for one in backtracking):
        return _problem(
            "Must not have a huge `pattern`, or one that is no expression.", effort=effort
        )
    try:
        validator = compile_schema(text, draft)
    except ValueError:
        return _problem(
            "Must be a valid schema of its draft, 2020-12 if none is said.", effort=effort
        )
    large = _not_compiling(graph.patterns, _SMALL)
    return Examined(
        validator=validator,
        draft=draft,
        is_of_objects=isinstance(schema, dict) and schema.get("type", "object") == "object",
        work=graph.weigh(_work),
        backtracking=graph.weigh(_backtracking_weight(backtracking)) if backtracking else 0,
        weight=_PATTERN_WEIGHT * len(graph.patterns)
        + _LARGE_PATTERN_WEIGHT * len(large)
        + _LARGEST_PATTERN_WEIGHT * len(backtracking),
        effort=len(graph.patterns - large)
        + _LARGE_EFFORT * len(large - backtracking)
        + _BACKTRACKING_EFFORT * len(backtracking),
    )


examine = Remembered(_examine, lambda found: found.weight if isinstance(found, Examined) else 0)
"""Looks a text through: what it found is remembered, within bounds."""


def compile_schema(
    schema: Schema | str, draft: str, registry: jsonschema_rs.Registry | None = None
) -> jsonschema_rs.Validator:
    """Return what checks documents against a schema: it fetches and opens nothing.

    `format` is a comment in both drafts: what it asks for differs from checker to checker.

    Raises:
        ValueError: The schema is none.
    """
    return _VALIDATORS[draft](
        schema,
        offline=True,
        pattern_options=_BACKTRACKING,
        registry=registry,
        validate_formats=False,
    )


def compiles(
    schema: Schema, options: jsonschema_rs.RegexOptions | jsonschema_rs.FancyRegexOptions
) -> bool:
    """Say whether a schema is one, under these limits on regular expressions."""
    try:
        jsonschema_rs.Draft202012Validator(schema, offline=True, pattern_options=options)
    except ValueError:
        return False
    return True


def _not_compiling(patterns: set[str], options: jsonschema_rs.RegexOptions) -> set[str]:
    """Return which of them do not match in linear time, or take more memory than these options."""
    if compiles({"anyOf": [{"pattern": one} for one in patterns] or [True]}, options):
        return set()
    return {one for one in patterns if not compiles({"pattern": one}, options)}


def _work(schema: dict[str, Any]) -> int:
    if _COSTLY.isdisjoint(schema):
        return 1
    work = 1 + _PATTERN_WORK * len(patterns_of(schema))
    if schema.get("uniqueItems") is True:
        work += _UNIQUE_WORK
    for keyword in _COMPARED:
        if keyword in schema:
            work += _count_values(schema[keyword]) // _COMPARISONS_PER_WORK
    return work


def _count_values(document: object) -> int:
    count = 0
    level = [document]
    while level:
        count += len(level)
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return count


def _backtracking_weight(patterns: set[str]) -> Callable[[dict[str, Any]], int]:
    return lambda schema: sum(len(one) for one in patterns_of(schema) if one in patterns)
