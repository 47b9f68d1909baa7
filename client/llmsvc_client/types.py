"""What calls take, as small frozen values, and the words that calls and answers share."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from llmsvc_client.tools import ToolCall, ToolResult


class Role(StrEnum):
    """Who produced a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class FinishReason(StrEnum):
    """Why generation ended. UNKNOWN: not said, or newer than this client; see `raw`."""

    UNKNOWN = "unknown"
    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"
    MAX_TOKENS = "max_tokens"
    CONTEXT_LENGTH = "context_length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    OTHER = "other"


class Locality(StrEnum):
    """Where a model ran, seen from the operator's network. Treat UNKNOWN as REMOTE."""

    UNKNOWN = "unknown"
    LOCAL = "local"
    REMOTE = "remote"


class ProviderKind(StrEnum):
    """What answered. OPENAI: any server with that interface, local ones too. MOCK: no model ran.

    UNKNOWN: not said, or newer than this client.
    """

    UNKNOWN = "unknown"
    OLLAMA = "ollama"
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    MOCK = "mock"


class Privacy(StrEnum):
    """Whether content may leave the operator's network. UNKNOWN is never sent."""

    UNKNOWN = "unknown"
    LOCAL_ONLY = "local_only"
    CLOUD_ALLOWED = "cloud_allowed"


class CountMethod(StrEnum):
    """How tokens were counted. UNKNOWN: not counted, or newer than this client."""

    UNKNOWN = "unknown"
    REPORTED = "reported"
    ESTIMATED = "estimated"


class Phase(StrEnum):
    """What a server waits for. UNKNOWN: not said, or newer than this client."""

    UNKNOWN = "unknown"
    QUEUED = "queued"
    LOADING_MODEL = "loading_model"
    WAITING_FOR_PROVIDER = "waiting_for_provider"
    GENERATING = "generating"


class HealthStatus(StrEnum):
    """State of one health name."""

    UNKNOWN = "unknown"
    SERVING = "serving"
    NOT_SERVING = "not_serving"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Text with which a model declined, as a part of its turn. In no repr."""

    text: str = dataclasses.field(repr=False)


@dataclass(frozen=True, slots=True)
class UnknownPart:
    """A part of an answer that is newer than this client, in its kind or in what goes with its text.

    Attributes:
        text: Its text, as far as this client can read it. In no repr.
        serialized: The contract's `ContentPart` as it came, in bytes, and as it is sent back. None
            after a stream, which tells a part in pieces: such a part can't be sent. In no repr.
        tool_call: The call that it is, as far as this client can read it. None: it is none.
    """

    text: str = dataclasses.field(repr=False)
    serialized: bytes | None = dataclasses.field(repr=False)
    tool_call: ToolCall | None = None


Part: TypeAlias = str | ToolCall | ToolResult | Refusal | UnknownPart
"""What a turn is made of; a text is a `str`."""


@dataclass(frozen=True, slots=True, init=False)
class Message:
    """One turn of a conversation.

    Attributes:
        role: Who produced it.
        parts: What it says, in order. No text is empty; there is none if it says nothing.
    """

    __match_args__ = ("role", "text")

    role: Role
    parts: tuple[Part, ...] = dataclasses.field(repr=False)

    def __init__(self, role: Role, text: str = "", *, parts: Sequence[Part] = ()) -> None:
        """Keep what is said: one text, or several parts.

        Raises:
            TypeError: Both are given, or `parts` is a text.
        """
        if isinstance(parts, str) or (parts and text):
            raise TypeError("write Message(role, text), or Message(role, parts=[...])")
        said = tuple(part for part in parts or (text,) if part != "")
        object.__setattr__(self, "role", role)
        object.__setattr__(self, "parts", said)

    @property
    def text(self) -> str:
        """The texts of its parts, joined. A refusal is none of them."""
        return "".join(map(_text_of, self.parts))

    @property
    def refusal(self) -> str:
        """The words with which a model declined, joined; empty if it gave none."""
        return "".join(part.text for part in self.parts if isinstance(part, Refusal))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls among its parts, in order."""
        return tuple(call for call in map(_call_of, self.parts) if call is not None)


def _text_of(part: Part) -> str:
    if isinstance(part, str):
        return part
    return part.text if isinstance(part, UnknownPart) else ""


def _call_of(part: Part) -> ToolCall | None:
    if isinstance(part, ToolCall):
        return part
    return part.tool_call if isinstance(part, UnknownPart) else None


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


@dataclass(frozen=True, slots=True)
class Target:
    """A provider and one of its models.

    Attributes:
        provider: Name from the server's configuration. Empty: any provider that has the model.
        model: Name in the provider's own terms. Empty: what the request's `model` means there.
    """

    provider: str = ""
    model: str = ""
