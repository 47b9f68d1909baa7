"""Which of tools, choices and formats a refusal is about, in the server's words. The words are data.

The request was well formed where it left us: what the server does not take of it, it lacks.

Source: docs/facts/providers.md 2.8.
"""

import re
from collections.abc import Iterable

from llmsvc_server.providers.shared.room import words_of

_FIELDS = {
    "tool_choice": re.compile(r"\btool_choice\b"),
    "response_format": re.compile(
        r"\boutput_(?:config|format)\b|\boutput format\b|\bstructured outputs?\b|\bgrammar\b"
        r"|\bschemas? (?:is too complex|contains? too many)"
    ),
    "tools": re.compile(
        r"\btools(?:\.\d|: )|\btools? (?:use |types? )?(?:is|are) not (?:supported|available)"
        r"|(?:not|n't) support tools?\b"
    ),
}
"""The field that it is about -> what the server calls that. It calls neither by itself elsewhere."""

_STRICTNESS = re.compile(
    r"\bstrict\b|\bgrammar\b|\btools\.\d|\bschemas? (?:is too complex|contains? too many)"
)

_MAX_LETTERS = 2_000


def lacking_in(texts: Iterable[str]) -> str:
    """Return the field that messages of a refusal, in lower case, are about; "" if it is another."""
    for text in texts:
        for field, pattern in _FIELDS.items():
            if pattern.search(text[:_MAX_LETTERS]):
                return field
    return ""


def is_about_strictness(body: bytes) -> bool:
    """Return whether a refusal, in whose body anything may be, is about tools that are strict."""
    return _STRICTNESS.search(words_of(body, only_json=True)) is not None
