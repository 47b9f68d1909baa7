"""What Anthropic refuses of schemas that it is to hold a model to.

Source: docs/facts/providers.md 2.8.
"""

from collections.abc import Iterator

from tests.fakes.ollama_record import Json

_NOT_OF = {
    "array": {"maxItems", "prefixItems", "uniqueItems", "contains"},
    "integer": {"minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum"},
    "number": {"minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum"},
    "object": {"minProperties", "maxProperties", "patternProperties", "propertyNames"},
    "string": {"minLength", "maxLength"},
}


def schema_faults(place: str, schema: object) -> Iterator[str]:
    """Yield what is wrong with a schema that stands at a place of the body."""
    if not isinstance(schema, dict):
        yield f"{place}: Schema should be an object"
        return
    kind = str(schema.get("type"))
    yield from (
        f"{place}: For '{kind}' type, property '{one}' is not supported"
        for one in sorted(_NOT_OF.get(kind, set()) & schema.keys())
    )
    if kind == "array" and schema.get("minItems", 0) > 1:
        yield f"{place}: For 'array' type, 'minItems' values other than 0 or 1 are not supported"
    if kind == "object" and schema.get("additionalProperties") is not False:
        yield f"{place}: For 'object' type, 'additionalProperties' must be explicitly set to false"
    for one in _inner(schema):
        yield from schema_faults(place, one)


def _inner(schema: Json) -> Iterator[object]:
    items = schema.get("items")
    yield from () if items is None else (items,)
    for keyword in ("anyOf", "allOf"):
        several = schema.get(keyword, [])
        assert isinstance(several, list)
        yield from several
    for keyword in ("properties", "$defs"):
        named = schema.get(keyword, {})
        assert isinstance(named, dict)
        yield from named.values()
