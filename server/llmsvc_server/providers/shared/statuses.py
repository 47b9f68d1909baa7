"""The HTTP status that an error under 200 tells, wherever it stands and however it is written.

Sources: OpenRouter and vLLM write `code` as a number (docs/facts/providers.md 1.6), LiteLLM as a
text (`"code": "429"`), others `status` or `status_code`; a JSON library of floats makes 429.0 of
it.
"""

import re
from collections.abc import Mapping

_KEYS = ("code", "status", "status_code", "statusCode")
_FAILURES = range(400, 600)
_DIGITS = re.compile(r"[45][0-9]{2}")


def status_in(*places: Mapping[str, object]) -> int | None:
    """Return the first status of a failure; None where no place tells one.

    Args:
        places: Objects in which it may stand, the likeliest first. Anything may be in them.
    """
    found = (_status(place.get(key)) for place in places for key in _KEYS)
    return next((status for status in found if status is not None), None)


def _status(value: object) -> int | None:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    # A float of the same worth is in the range too; infinity and NaN are not.
    if isinstance(value, int | float) and value in _FAILURES:
        return int(value)
    return None
