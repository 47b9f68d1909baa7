"""Which keywords have to be of which form, wherever in a document a schema stands.

A draft's own schema says it of the draft's keywords in the usual places only.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

_Form = Callable[[object], bool]


def _is_schema(found: object) -> bool:
    return isinstance(found, dict | bool)


def _are_schemas(found: object) -> bool:
    return isinstance(found, list) and all(map(_is_schema, found))


def _is_text(found: object) -> bool:
    return isinstance(found, str)


def _are_texts(found: object) -> bool:
    return isinstance(found, list) and all(map(_is_text, found))


def _is_number(found: object) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool)


def _is_count(found: object) -> bool:
    return _is_number(found) and found >= 0  # type: ignore[operator]


def _named(form: _Form) -> _Form:
    return lambda found: isinstance(found, dict) and all(map(form, found.values()))


def _either(one: _Form, other: _Form) -> _Form:
    return lambda found: one(found) or other(found)


_FORMS: Final[Mapping[_Form, tuple[str, ...]]] = {
    _is_schema: (
        "additionalItems",
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    ),
    _are_schemas: ("allOf", "anyOf", "oneOf", "prefixItems"),
    _named(_is_schema): (
        "$defs",
        "definitions",
        "dependentSchemas",
        "patternProperties",
        "properties",
    ),
    _named(_either(_is_schema, _are_texts)): ("dependencies",),
    _named(_are_texts): ("dependentRequired",),
    _either(_is_schema, _are_schemas): ("items",),
    _either(_is_text, _are_texts): ("type",),
    _are_texts: ("required",),
    _is_text: ("$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef", "$ref", "pattern"),
    _is_number: ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum"),
    lambda found: _is_number(found) and found > 0: ("multipleOf",),  # type: ignore[operator]
    lambda found: isinstance(found, list): ("enum",),
    _is_count: (
        "maxContains",
        "maxItems",
        "maxLength",
        "maxProperties",
        "minContains",
        "minItems",
        "minLength",
        "minProperties",
    ),
}
_FORM_OF: Final = {keyword: form for form, keywords in _FORMS.items() for keyword in keywords}


def is_formed(schema: Mapping[str, Any]) -> bool:
    """Say whether each keyword of one schema that we know has the form that we take it to have."""
    for keyword, found in schema.items():
        form = _FORM_OF.get(keyword)
        if form is not None and not form(found):
            return False
    return True
