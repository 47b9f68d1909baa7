"""How much an answer took, and why it ended."""

from enum import StrEnum

from llmsvc_server.chat.value import value

_LETTERS_PER_TOKEN = 4


class FinishReason(StrEnum):
    """Why generation ended. A cut answer has none: it is an error."""

    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"
    MAX_TOKENS = "max_tokens"
    TOOL_CALLS = "tool_calls"
    CONTEXT_LENGTH = "context_length"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    OTHER = "other"


@value
class Usage:
    """Tokens of one answer. None is unknown, never zero.

    `cached_input_tokens` came from a prompt cache and `cache_write_input_tokens` went into one at
    a price; both are parts of `input_tokens`. What is not `output_estimated` was reported by the
    provider; input is never estimated.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    output_estimated: bool = False


def estimated_tokens(text_length: int) -> int:
    """Return about how many tokens a text of so many characters has."""
    return -(-text_length // _LETTERS_PER_TOKEN)
