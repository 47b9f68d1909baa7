"""Objects as an engine may get them."""

import re
from typing import Any, Final, Protocol

from llmsvc_server.schemas.bounds import is_safe_name
from llmsvc_server.schemas.document import Schema

_WORD: Final = re.compile(r"\w+", re.ASCII)


class Builder(Protocol):
    """What builds the schemas inside."""

    properties_left: int

    def build(self, schema: Schema, depth: int) -> dict[str, Any]:
        """Return what an engine gets of a schema."""
        ...

    def leave_out(self) -> None:
        """Note that something of the caller's is not taken over."""
        ...


def fence_object(
    builder: Builder, schema: dict[str, Any], depth: int, *, is_open: bool
) -> dict[str, Any]:
    """Return what an engine gets of a schema of objects.

    Args:
        builder: What builds the schemas inside.
        schema: What the caller wrote.
        depth: In how many objects and arrays it is to stand, itself included.
        is_open: Whether something that is left out may ask for properties that are not named.
    """
    others = _others_of(schema, is_open=is_open)
    named = _named(schema, others)
    builder.properties_left -= len(named)
    is_sound = builder.properties_left >= 0 and all(map(is_safe_name, named))
    if others not in (None, False):
        is_sound = is_sound and all(map(_WORD.fullmatch, named))
    if not is_sound:
        builder.leave_out()
        return {"type": "object"}
    built: dict[str, Any] = {"type": "object"}
    if named or "properties" in schema:
        built["properties"] = _build_named(builder, named, depth)
    required = [name for name in schema.get("required", ()) if name in built.get("properties", ())]
    if required:
        built["required"] = required
    if isinstance(others, dict):
        built["additionalProperties"] = builder.build(others, depth + 1)
    elif others is not None and (named or not others):
        built["additionalProperties"] = others
    return built


def _others_of(schema: dict[str, Any], *, is_open: bool) -> Schema | None:
    """Return what unnamed properties must keep, None where the caller says nothing of them."""
    if schema.get("patternProperties"):
        return True
    others: Schema | None = schema.get("additionalProperties")
    if others is None and is_open:
        return True
    return True if others == {} else others


def _named(schema: dict[str, Any], others: Schema | None) -> dict[str, Schema]:
    """Return the properties: what is required without being named has a name too."""
    named = dict(schema.get("properties", {}))
    if others is not False:
        for name in schema.get("required", ()):
            named.setdefault(name, True if others is None else others)
    return named


def _build_named(builder: Builder, named: dict[str, Schema], depth: int) -> dict[str, Any]:
    """Return the properties that may be there."""
    if False in named.values():
        builder.leave_out()
    return {name: builder.build(one, depth + 2) for name, one in named.items() if one is not False}
