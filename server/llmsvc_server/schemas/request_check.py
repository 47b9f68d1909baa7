"""What is wrong with a schema that a caller sent."""

from typing import Final

from llmsvc_server.errors import ViolationReason
from llmsvc_server.schemas.examined import Problem, examine

__all__ = ["Problem", "find_problem"]

MAX_CHARACTERS: Final = 32 * 1024


def find_problem(schema_text: str) -> Problem | None:
    """Return why the text of a schema is refused, or None where it is not.

    Takes a bounded time for any text, and next to none for one that was asked about before.
    """
    if len(schema_text) > MAX_CHARACTERS:
        return Problem(
            reason=ViolationReason.TOO_LONG, description="Must not be longer than 32 KiB."
        )
    found = examine(schema_text)
    return found if isinstance(found, Problem) else None
