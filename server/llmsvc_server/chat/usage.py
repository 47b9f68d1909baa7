"""How much an answer took, and why it ended."""

from enum import StrEnum

from llmsvc_server.chat.value import value


class FinishReason(StrEnum):
    """Why generation ended. A cut answer has none: it is an error."""

    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"
    MAX_TOKENS = "max_tokens"
    CONTEXT_LENGTH = "context_length"
    OTHER = "other"


@value
class Usage:
    """Tokens as the provider reported them. None is unknown, never zero."""

    input_tokens: int | None = None
    output_tokens: int | None = None
