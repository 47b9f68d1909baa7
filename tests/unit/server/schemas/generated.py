"""Schemas and documents for property tests: few names and values, so that they meet often."""

from typing import Any

from hypothesis import strategies as st

names = st.sampled_from(["a", "b", "c", "x-y", "é"])
scalars = st.sampled_from([None, True, False, 0, 1, 2, -1, 1.5, 3.0, "", "a", "b", "ab", 2**60])
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
types = st.sampled_from(["object", "array", "string", "number", "integer", "boolean", "null"])
counts = st.sampled_from([0, 1, 2, 3, 300, 2.0])
limits = st.sampled_from([-1, 0, 1, 1.5, 2, 2**60, 1e300])


def _inner(schemas: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    some = st.lists(schemas, min_size=1, max_size=3)
    named = st.dictionaries(names, schemas, max_size=4)
    return {
        "type": types | st.lists(types, min_size=1, max_size=3, unique=True),
        "properties": named,
        "required": st.lists(names, max_size=3, unique=True),
        "additionalProperties": schemas,
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$"]), schemas, max_size=2),
        "propertyNames": schemas,
        "items": schemas,
        "prefixItems": some,
        "contains": schemas,
        "minItems": counts,
        "maxItems": counts,
        "uniqueItems": st.booleans(),
        "minProperties": counts,
        "minimum": limits,
        "maximum": limits,
        "exclusiveMinimum": limits,
        "exclusiveMaximum": limits,
        "minLength": counts,
        "pattern": st.sampled_from(["a", "^(?:b|a)$", r"\d"]),
        "enum": st.lists(documents, min_size=1, max_size=4),
        "const": documents,
        "allOf": some,
        "anyOf": some,
        "oneOf": some,
        "not": schemas,
        "if": schemas,
        "then": schemas,
        "else": schemas,
        "dependentSchemas": named,
        "dependentRequired": st.dictionaries(names, st.lists(names, max_size=2, unique=True)),
        "unevaluatedProperties": schemas,
        "unevaluatedItems": schemas,
        "$ref": st.sampled_from(["#", "#/$defs/a", "#/$defs/b", "#named"]),
        "description": st.just("what it is"),
        "x-other": documents,
    }


@st.composite
def _objects(draw: st.DrawFn, schemas: st.SearchStrategy[Any]) -> dict[str, Any]:
    every = _inner(schemas)
    keywords = draw(st.lists(st.sampled_from(sorted(every)), max_size=4, unique=True))
    return {keyword: draw(every[keyword]) for keyword in keywords}


_schemas: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.just({}), _objects, max_leaves=10
)


@st.composite
def schemas(draw: st.DrawFn) -> dict[str, Any]:
    """Return a schema of draft 2020-12 whose references point to something."""
    root = draw(_objects(_schemas))
    named = draw(_objects(_schemas)) | {"$anchor": "named"}
    return root | {"$defs": {"a": draw(_schemas), "b": draw(_objects(_schemas)), "c": named}}
