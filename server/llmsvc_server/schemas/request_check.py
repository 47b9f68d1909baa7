"""What is wrong with a schema that a caller sent."""

import json

import jsonschema_rs

from llmsvc_server.chat.value import value
from llmsvc_server.errors import ViolationReason


@value
class Problem:
    """Why a schema is refused, and the remedy. Nothing of the schema is in it."""

    reason: ViolationReason
    description: str


def find_problem(schema_text: str) -> Problem | None:
    """Return the first thing that is wrong with the text of a schema, or None."""
    try:
        schema = json.loads(schema_text)
        if not isinstance(schema, dict | bool):
            raise ValueError  # noqa: TRY004, TRY301
        jsonschema_rs.validator_for(schema, offline=True)
    except (ValueError, RecursionError):
        return Problem(reason=ViolationReason.MALFORMED, description="Must be a JSON schema.")
    return None
