"""Two schemas that are both to be kept, as one: near enough to guess from."""

from typing import Any, Final

_LARGEST: Final = frozenset(
    {"exclusiveMinimum", "minContains", "minItems", "minLength", "minProperties", "minimum"}
)
_SMALLEST: Final = frozenset(
    {"exclusiveMaximum", "maxItems", "maxLength", "maxProperties", "maximum"}
)
_SCHEMAS: Final = frozenset({"additionalProperties", "contains", "items"})


def merge(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of what both say, as far as that can be said by plain keywords."""
    merged = dict(one)
    for keyword, found in other.items():
        merged[keyword] = _join(keyword, one[keyword], found) if keyword in one else found
    return merged


def _join(keyword: str, one: Any, other: Any) -> Any:  # noqa: ANN401  # whatever the keyword has
    if keyword in _LARGEST:
        return max(one, other)
    if keyword in _SMALLEST:
        return min(one, other)
    if keyword in _SCHEMAS:
        return {"allOf": [one, other]}
    if keyword == "properties":
        both = {name: {"allOf": [one[name], other[name]]} for name in one if name in other}
        return {**one, **other, **both}
    if keyword == "required":
        return list(dict.fromkeys([*one, *other]))
    return _narrow(keyword, one, other)


def _narrow(keyword: str, one: Any, other: Any) -> Any:  # noqa: ANN401
    if keyword == "type":
        kinds = [one] if isinstance(one, str) else one
        others = [other] if isinstance(other, str) else other
        common = [kind for kind in kinds if kind in others]
        return common or (["integer"] if {"integer", "number"} <= {*kinds, *others} else kinds)
    if keyword == "enum":
        return [found for found in one if found in other] or one
    return one
