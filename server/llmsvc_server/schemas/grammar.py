"""How long the grammar gets that an engine makes of a schema.

Ollama 0.10.1 and 0.24.0 cut it at 32,768 characters (its `SchemaToGrammar`), and end
the request because of what is left. A rule's name is all names on the way to it. What is counted
here was held against real engines (ADR-060).
"""

import json
from typing import Any, Final

MAX_GRAMMAR: Final = 32_000
_PRIMITIVES: Final = 1_500  # the rules that schemas share
_RULE: Final = 90
_RANGE: Final = 400
_REQUIRED: Final = (60, 3)  # characters of its rules besides names, and how often they name it
_OPTIONAL: Final = (90, 7)
_NOT_CHARACTER: Final = 15  # to say which names are no other property's
_STEP: Final = 8  # what is put to a name for an element or a branch


def grammar_length(schema: dict[str, Any]) -> int:
    """Return about how many characters the grammar has, rather more than less."""
    return _PRIMITIVES + _length(schema, 0)


def _length(schema: dict[str, Any], name: int) -> int:
    """Return what one schema adds, whose rule has a name of this length."""
    if schema.keys() <= {"description", "type"} and schema.get("type") in (
        "string",
        "number",
        "null",
    ):
        return 0
    length = _RULE + name
    length += sum(map(_literal_length, schema.get("enum", ())))
    if "const" in schema:
        length += _literal_length(schema["const"])
    if "minimum" in schema or "maximum" in schema:
        length += _RANGE
    inner = [*schema.get("anyOf", ()), *schema.get("prefixItems", ())]
    if "items" in schema:
        inner.append(schema["items"])
    for one in inner:
        length += 2 * (name + _STEP) + _length(one, name + _STEP)
    return length + _properties_length(schema, name)


def _properties_length(schema: dict[str, Any], name: int) -> int:
    length = 0
    named, others = schema.get("properties", {}), schema.get("additionalProperties", False)
    required = frozenset(schema.get("required", ()))
    for key, one in named.items():
        inner = name + len(key.encode()) + 1
        rules, mentions = _REQUIRED if key in required else _OPTIONAL
        length += rules + mentions * inner + _length(one, inner)
        length += _NOT_CHARACTER * len(key) if others is not False else 0
    if isinstance(others, dict):
        length += _length(others, name + len("-additional-value"))
    return length


def _literal_length(found: object) -> int:
    return len(json.dumps(found, ensure_ascii=False).encode()) + _STEP
