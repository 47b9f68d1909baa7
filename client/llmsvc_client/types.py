"""What a call gives, as small frozen values. `raw` is the contract's message behind each."""

import dataclasses
from dataclasses import dataclass
from enum import StrEnum

from llmsvc.v1 import llm_pb2


class Role(StrEnum):
    """Who produced a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class FinishReason(StrEnum):
    """Why generation ended. UNKNOWN: not said, or newer than this client; see `raw`."""

    UNKNOWN = "unknown"
    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"
    MAX_TOKENS = "max_tokens"
    CONTEXT_LENGTH = "context_length"
    OTHER = "other"


class Locality(StrEnum):
    """Where a model ran, seen from the operator's network. Treat UNKNOWN as REMOTE."""

    UNKNOWN = "unknown"
    LOCAL = "local"
    REMOTE = "remote"


class ProviderKind(StrEnum):
    """What answered. MOCK: canned text, no model ran. UNKNOWN: newer than this client."""

    UNKNOWN = "unknown"
    OLLAMA = "ollama"
    MOCK = "mock"


class HealthStatus(StrEnum):
    """State of one health name."""

    UNKNOWN = "unknown"
    SERVING = "serving"
    NOT_SERVING = "not_serving"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    text: str = dataclasses.field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Sampling and length. None keeps the server's setting for the model, else the model's own.

    Attributes:
        temperature: Randomness, 0 to 2.
        top_p: Probability mass to sample from, above 0, at most 1.
        top_k: Number of likeliest tokens to sample from, at least 1.
        min_p: Least probability relative to the likeliest token, 0 to 1.
        frequency_penalty: Penalty that grows with each use of a token, -2 to 2.
        presence_penalty: Penalty for tokens used at all, -2 to 2.
        repeat_penalty: Factor against repetition, above 0, at most 2; 1 is neutral.
        seed: Seed for best-effort repeatability, 0 to 2^31 - 1.
        max_output_tokens: Most tokens to generate, at least 1. The server's limit holds too.
        stop_sequences: At most 4 strings that end generation and are not part of the answer.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repeat_penalty: float | None = None
    seed: int | None = None
    max_output_tokens: int | None = None
    stop_sequences: tuple[str, ...] = dataclasses.field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Who answers or answered.

    Attributes:
        provider: Name from the server's configuration.
        kind: What kind of provider that is.
        model: The exact model, in the provider's terms.
        requested_model: The model that the request named. Empty if it named none.
        locality: Where it ran.
    """

    provider: str
    kind: ProviderKind
    model: str
    requested_model: str
    locality: Locality
    raw: llm_pb2.RouteInfo = dataclasses.field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts. None is unknown, not zero."""

    input_tokens: int | None
    output_tokens: int | None
    total_tokens: int | None
    raw: llm_pb2.Usage = dataclasses.field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """A way in which the call was not run as asked.

    Attributes:
        field: Path of the request field, such as `generation_config.max_output_tokens`.
        action: `ignored`, `clamped`; `unknown` if newer than this client.
        description: Why, for people.
    """

    field: str
    action: str
    description: str
    raw: llm_pb2.Adjustment = dataclasses.field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply:
    """A whole answer.

    Attributes:
        text: The answer. In no repr.
        finish_reason: Why generation ended.
        stop_sequence: The sequence that matched, with STOP_SEQUENCE. Else empty.
        usage: Token counts.
        route: Who answered.
        adjustments: What was not run as asked. Empty means nothing.
        request_id: The request's id in the server's logs.
        raw: The contract's message. After a stream it holds no text.
    """

    text: str = dataclasses.field(repr=False)
    finish_reason: FinishReason
    stop_sequence: str = dataclasses.field(repr=False)
    usage: Usage
    route: Route
    adjustments: tuple[Adjustment, ...]
    request_id: str
    raw: llm_pb2.ChatResponse = dataclasses.field(repr=False, compare=False)

    @property
    def message(self) -> Message:
        """The answer as a turn, ready to be appended to the next request."""
        return Message(Role.ASSISTANT, self.text)


@dataclass(frozen=True, slots=True)
class Piece:
    """What one event adds to an answer. The texts, joined without a separator, are the answer."""

    text: str = dataclasses.field(repr=False)
    raw: llm_pb2.PartDelta = dataclasses.field(repr=False, compare=False)
