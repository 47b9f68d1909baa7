"""Which of tools and formats a refusal says there are not, in whatever words. The words are data.

Source: docs/facts/providers.md 1.8, and refusals of vLLM, llama.cpp, LM Studio, Ollama's `/v1`, Groq,
OpenRouter, DeepSeek, Google, Mistral and OpenAI as quoted in their public issue trackers up to 2026-11.
"""

import re
from collections.abc import Iterable

_NOT_THERE = (
    r"(?:not (?:yet )?(?:be )?(?:supported|enabled|available|permitted|allowed|implemented)"
    r"|(?:does not|doesn't) (?:yet )?support|unsupported|unavailable|unknown|unrecognized"
    r"|that support|requires? --|only named tools are supported)"
)
_NAMES = (
    ("tools", r"\bauto\W{0,2} tool[ _]choice"),  # vLLM: what they mean where nobody chose
    ("tool_choice", r"tool[ _]choice"),
    (
        "response_format",
        r"response[_ ]?format|json_schema|json_object|json mode|structured outputs?",
    ),
    ("tools", r"\btools?\b|\bfunction[ _]call(?:ing|s)?\b"),
)
"""The field that it is about, and what servers call that."""

_PATTERNS = [
    (
        field,
        re.compile(rf"(?:{name}).{{0,80}}{_NOT_THERE}|{_NOT_THERE}.{{0,60}}(?:{name})", re.DOTALL),
    )
    for field, name in _NAMES
]
_BAD_SCHEMA = "invalid schema"
"""Then the feature is there, and the caller's schema is not to the server's liking."""

_MAX_LETTERS = 2_000


def lacking_in(texts: Iterable[str]) -> str:
    """Return the field that messages of a refusal, in lower case, say is not known; "" if none."""
    for whole in texts:
        text = whole[:_MAX_LETTERS]
        if _BAD_SCHEMA in text:
            continue
        for field, pattern in _PATTERNS:
            if pattern.search(text):
                return field
    return ""
