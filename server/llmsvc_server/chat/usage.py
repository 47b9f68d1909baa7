"""How much an answer took, and why it ended."""

from dataclasses import dataclass
from enum import StrEnum


class FinishReason(StrEnum):
    """Why generation ended. A cut answer has none: it is an error."""

    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"
    MAX_TOKENS = "max_tokens"
    CONTEXT_LENGTH = "context_length"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the provider reported them. None is unknown, never zero."""

    input_tokens: int | None = None
    output_tokens: int | None = None
