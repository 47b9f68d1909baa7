"""What Google's OpenAI-compatible route says in details of its errors, as its other routes do.

Source: google.rpc ErrorInfo and RetryInfo in JSON (AIP-193).
"""

import re
from collections.abc import Iterator, Mapping

_REASON = re.compile(r"[A-Z][A-Z0-9_]{0,62}")
_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


def reasons(error: Mapping[str, object]) -> Iterator[str]:
    """Yield the reasons in an error's details, such as "API_KEY_INVALID"."""
    for one in _details(error):
        reason = one.get("reason")
        if isinstance(reason, str) and _REASON.fullmatch(reason):
            yield reason


def retry_delay_s(error: Mapping[str, object]) -> float | None:
    """Return the wait that an error's details ask for, in seconds; None if they don't."""
    for one in _details(error):
        delay = one.get("retryDelay")
        if isinstance(delay, str) and (found := _DELAY.fullmatch(delay)):
            return float(found[1])
    return None


def _details(error: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    details = error.get("details")
    for one in details if isinstance(details, list) else ():
        if isinstance(one, dict):
            yield one
