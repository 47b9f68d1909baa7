"""What calls give, as small frozen values. `raw` is the contract's message behind each."""

import dataclasses
from dataclasses import dataclass

from llmsvc.v1 import llm_pb2
from llmsvc_client.types import (
    CountMethod,
    Locality,
    Phase,
    Privacy,
    ProviderKind,
    Target,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One target that was tried or skipped.

    Attributes:
        provider: Name from the server's configuration.
        model: Name in the provider's own terms.
        locality: Where it runs.
        code: Name of the gRPC status that this attempt alone would have given; `OK` if it answered.
        reason: Name of an `ErrorReason` of the contract, without prefix. Empty on success. The
            number, as text, where it is newer than this client.
        elapsed_s: How long it took in seconds. None: it was skipped.
        content_sent: Whether content of the request was sent to it, whatever came back.
    """

    provider: str
    model: str
    locality: Locality
    code: str
    reason: str
    elapsed_s: float | None
    content_sent: bool
    raw: llm_pb2.RouteAttempt = dataclasses.field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Who answers or answered, and what was tried. With errors, perhaps only the latter.

    Attributes:
        provider: Name from the server's configuration. Empty, with errors, if no answer had begun;
            so is `model`.
        kind: What kind of provider that is.
        model: The exact model, in the provider's terms.
        requested_model: The model that the request named. Empty if it named none.
        locality: Where it ran.
        privacy: The policy in force: the stricter of the server's and the request's.
        attempts: Targets tried or skipped, in order. In an answer the last one gave it.
    """

    provider: str
    kind: ProviderKind
    model: str
    requested_model: str
    locality: Locality
    privacy: Privacy
    attempts: tuple[Attempt, ...]
    raw: llm_pb2.RouteInfo = dataclasses.field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts. None is unknown, not zero.

    Attributes:
        input_tokens: Tokens read, tools and template included.
        output_tokens: Tokens written, thinking included.
        total_tokens: Their sum.
        cached_input_tokens: Part of `input_tokens` that came from a prompt cache.
        cache_write_input_tokens: Part of `input_tokens` that was written to one at a price.
        input_method: How `input_tokens` was obtained.
        output_method: How `output_tokens` was obtained.
    """

    input_tokens: int | None
    output_tokens: int | None
    total_tokens: int | None
    cached_input_tokens: int | None
    cache_write_input_tokens: int | None
    input_method: CountMethod
    output_method: CountMethod
    raw: llm_pb2.Usage = dataclasses.field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Where the time went, in seconds. None: unknown, or there was no such thing.

    Attributes:
        total_s: From arrival to the last event, as the server saw it.
        queue_s: Waiting for a place among the running calls.
        first_token_s: From arrival to the first content.
        model_load_s: Loading the model, as the provider reports it; so are the two below.
        prompt_s: Reading the prompt.
        generation_s: Generating.
    """

    total_s: float | None
    queue_s: float | None
    first_token_s: float | None
    model_load_s: float | None
    prompt_s: float | None
    generation_s: float | None
    raw: llm_pb2.Timings = dataclasses.field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """A way in which the call was not run as asked.

    Attributes:
        field: Path of the request field, such as `generation_config.max_output_tokens`.
        action: `ignored`, `emulated`, `clamped`; `unknown` if newer than this client.
        description: Why, for people.
    """

    field: str
    action: str
    description: str
    raw: llm_pb2.Adjustment = dataclasses.field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Piece:
    """What one event adds to an answer. The texts, joined without a separator, are the answer."""

    text: str = dataclasses.field(repr=False)
    raw: llm_pb2.PartDelta = dataclasses.field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class CallPiece:
    """More of a tool call, of a request that offers tools. `reply.tool_calls` has them whole.

    Attributes:
        id: Of the call; on its first piece only, as is `name`.
        name: The function to run.
        arguments_json: More of the text of the arguments. Only the whole is JSON.
    """

    id: str
    name: str
    arguments_json: str = dataclasses.field(repr=False)
    raw: llm_pb2.PartDelta = dataclasses.field(repr=False, compare=False)

    @property
    def text(self) -> str:
        """Nothing: loops that show the text of each item need not tell them apart."""
        return ""


@dataclass(frozen=True, slots=True)
class RefusalPiece:
    """More of the words with which the model declines. `reply.refusal` has them whole."""

    refusal: str = dataclasses.field(repr=False)
    raw: llm_pb2.PartDelta = dataclasses.field(repr=False, compare=False)

    @property
    def text(self) -> str:
        """Nothing: a refusal is no answer, and loops that show the text of each item leave it out."""
        return ""


@dataclass(frozen=True, slots=True)
class Progress:
    """A sign of life between the pieces of a stream that asked for them.

    Attributes:
        phase: What the server waits for.
        elapsed_s: Seconds since the request arrived. None if not said.
        target: What is being tried. None while queued.
    """

    phase: Phase
    elapsed_s: float | None
    target: Target | None
    raw: llm_pb2.StreamProgress = dataclasses.field(repr=False, compare=False)

    @property
    def text(self) -> str:
        """Nothing: loops that show the text of each item need not tell the two apart."""
        return ""
