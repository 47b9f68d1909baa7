"""Which inner schemas of a schema apply to a part of a document, and to which part of that."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from llmsvc_server.schemas.document import DRAFT_07, Schema, escaped
from llmsvc_server.schemas.verdicts import Verdicts


class Applied(NamedTuple):
    """One schema that must be kept.

    `place` is the part of the document that `keyword` asks for it, `pointer` where that is, and
    `schema` is what it must conform to.
    """

    keyword: str
    schema: Schema
    place: Any
    pointer: str


def applied(verdicts: Verdicts, schema: dict[str, Any], part: Any, at: str) -> Iterator[Applied]:  # noqa: ANN401
    """Yield the schemas that one schema has a part of a document, or parts of that, conform to.

    Not those of which only some are to be kept, such as below `anyOf`.
    """
    for keyword in ("$ref", "$dynamicRef"):
        if keyword in schema:
            yield Applied(keyword, verdicts.graph.target_of(schema[keyword]), part, at)
    if verdicts.draft == DRAFT_07 and "$ref" in schema:
        return
    for one in schema.get("allOf", ()):
        yield Applied("allOf", one, part, at)
    if "if" in schema:
        branch = "then" if verdicts.conforms(schema["if"], part) else "else"
        yield Applied(branch, schema.get(branch, True), part, at)
    if isinstance(part, dict):
        yield from _dependent(schema, part, at)
        yield from _members(verdicts, schema, part, at)
    elif isinstance(part, list):
        yield from _elements(verdicts, schema, part, at)


def _dependent(schema: dict[str, Any], part: dict[str, Any], at: str) -> Iterator[Applied]:
    for keyword in ("dependentSchemas", "dependencies"):
        for name, one in schema.get(keyword, {}).items():
            if name in part and isinstance(one, list):
                missing = any(needed not in part for needed in one)
                yield Applied(keyword, not missing, part, at)
            elif name in part:
                yield Applied(keyword, one, part, at)


def _members(
    verdicts: Verdicts, schema: dict[str, Any], part: dict[str, Any], at: str
) -> Iterator[Applied]:
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    others = schema.get("additionalProperties", True)
    if not (named or patterns) and others is True:
        return
    for name, inner in part.items():
        pointer = f"{at}/{escaped(name)}"
        matching = [one for one in patterns if verdicts.matches(schema, one, name)]
        if name in named:
            yield Applied("properties", named[name], inner, pointer)
        for one in matching:
            yield Applied("patternProperties", patterns[one], inner, pointer)
        if name not in named and not matching:
            where = at if others is False else pointer
            yield Applied("additionalProperties", others, inner, where)


def _elements(
    verdicts: Verdicts, schema: dict[str, Any], part: list[Any], at: str
) -> Iterator[Applied]:
    first, first_keyword = schema.get("prefixItems", []), "prefixItems"
    others, others_keyword = schema.get("items", True), "items"
    if verdicts.draft == DRAFT_07 and isinstance(others, list):
        first, first_keyword = others, "items"
        others, others_keyword = schema.get("additionalItems", True), "additionalItems"
    elif verdicts.draft == DRAFT_07:
        first = []
    for index, inner in enumerate(part):
        pointer = f"{at}/{index}"
        if index < len(first):
            yield Applied(first_keyword, first[index], inner, pointer)
        elif others is False:
            yield Applied(others_keyword, False, inner, at)  # noqa: FBT003
        elif others is not True:
            yield Applied(others_keyword, others, inner, pointer)
