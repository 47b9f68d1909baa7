"""What is wrong with the schemas that a caller sent."""

from typing import Final

from llmsvc_server.errors import ViolationReason
from llmsvc_server.schemas.examined import Examined, Problem, examine

__all__ = ["Problem", "SchemasOfRequest", "find_problem"]

MAX_CHARACTERS: Final = 32 * 1024
MAX_EFFORT: Final = 512
MAX_OBJECTS: Final = 8192
_TOO_LONG: Final = Problem(
    reason=ViolationReason.TOO_LONG, description="Must not be longer than 32 KiB."
)
_NO_OBJECT: Final = Problem(
    reason=ViolationReason.MALFORMED,
    description='Must describe an object: {"type": "object", ...}.',
)
_TOO_COSTLY: Final = Problem(
    reason=ViolationReason.TOO_MANY,
    description=f"Must not have over {MAX_EFFORT} patterns with all other schemas.",
)
_TOO_FINE: Final = Problem(
    reason=ViolationReason.TOO_MANY,
    description=f"Must not have over {MAX_OBJECTS} `{{` with all other schemas.",
)


def find_problem(schema_text: str) -> Problem | None:
    """Return why the text of a schema is refused, or None where it is not.

    Takes a bounded time for any text, and next to none for one that was asked about before.
    """
    found = _look_through(schema_text)
    return found if isinstance(found, Problem) else None


def _look_through(schema_text: str) -> Examined | Problem:
    return _TOO_LONG if len(schema_text) > MAX_CHARACTERS else examine(schema_text)


class SchemasOfRequest:
    """Looks through the schemas of one request, as long as they are not too costly together.

    To compile a regular expression takes up to 2 ms, to look through an object 6 us, and all that
    happens in one step. Objects are counted in the text, before anybody looks through it.
    """

    def __init__(self) -> None:
        """Have seen none."""
        self._effort = 0
        self._objects = 0

    def find_problem(self, schema_text: str, *, of_objects: bool = False) -> Problem | None:
        """Return why the text of a schema is refused, or None where it is not.

        The one that makes them too costly is refused, and those after it are not looked at.

        Args:
            schema_text: The schema.
            of_objects: Whether it has to be one of objects, and to say nothing else at its root.
        """
        if self._effort > MAX_EFFORT or self._objects > MAX_OBJECTS:
            return None
        self._objects += schema_text.count("{")
        if self._objects > MAX_OBJECTS:
            return _TOO_FINE
        found = _look_through(schema_text)
        self._effort += found.effort
        if isinstance(found, Problem):
            return found
        if self._effort > MAX_EFFORT:
            return _TOO_COSTLY
        return _NO_OBJECT if of_objects and not found.is_of_objects else None
