"""How a provider can fail, and all that follows from it: one row a kind, read wherever it matters.

By the schedule, the breakers, the blocks, the loads, and for what callers and operators are told.
Rows and their reasons: docs/failover.md 2.1 and 6.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Next(StrEnum):
    """Whether the next candidate is asked after a failure."""

    ALWAYS = "always"
    NEVER = "never"
    # The first attempt's word on the request counts, a later one's is a fact about its provider.
    UNLESS_FIRST = "unless_first"
    ONCE = "once"
    # What ended one engine would end the next.
    OTHER_KIND = "other_kind"
    # Only a candidate whose window is known to hold the prompt.
    IF_IT_FITS = "if_it_fits"


class Retry(StrEnum):
    """Whether the same candidate is asked once more."""

    NEVER = "never"
    AT_ONCE = "at_once"
    AFTER_A_PAUSE = "after_a_pause"
    WHEN_TOLD = "when_told"
    # Another endpoint of the same provider may have what this one lacks.
    ELSEWHERE = "elsewhere"


class Scope(StrEnum):
    """What a block keeps requests away from."""

    PROVIDER = "provider"
    PROVIDER_MODEL = "provider_model"
    ENDPOINT = "endpoint"
    ENDPOINT_MODEL = "endpoint_model"


class InterruptCause(StrEnum):
    """What broke a stream after content was delivered; `cause` in the error's metadata."""

    PROVIDER = "provider"
    TIME_LIMIT = "timeLimit"
    DRAIN = "drain"
    PRIVACY = "privacy"
    SLOW_READER = "slowReader"
    OVERLOAD = "overload"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Block:
    """What a failure keeps requests away from, and for how long.

    Attributes:
        scope: From what.
        lengths_s: Seconds of the first block and of each that follows it without a success between.
        told_s: Least and most seconds where the provider itself says how long; None if unasked.
        has_trial: Whether the first request after it goes alone.
    """

    scope: Scope
    lengths_s: tuple[float, ...]
    told_s: tuple[float, float] | None = None
    has_trial: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All that is true of one kind of failure.

    Attributes:
        name: Its name in logs and in docs/failover.md.
        code: Name of the gRPC status code.
        reason: ErrorReason without its prefix.
        sentence: What the caller is told, of `{provider}` and `{model}`.
        policy_sentence: The same where a privacy policy, not the provider, is the reason.
        cause: The `cause` that the caller is told where the failure itself has none.
        precondition: Type of the violated precondition, if it is one.
        problem: What the operator is told at start of a provider that fails so.
        next: Whether the next candidate is asked.
        retry: Whether the same candidate is asked once more.
        counts: Whether a breaker counts it.
        is_slow: Whether it took its time, so that the breaker stays open longer.
        block: What it keeps requests away from.
        retry_after_s: When to come back where the failure itself does not say; None where waiting
            does not help.
        is_busy: Whether the provider is well, and only has no room or no model in memory yet.
        is_cold: Whether the model is not in memory then.
        fails_load: Whether a load that meets it has failed, whatever else it may mean.
        interrupts_as: What broke an answer that had begun; None where it is told itself then too.
        has_progress: Whether it is told how far the answer had come.
        is_about_a_chat: Whether only a chat can fail so: what refuses to list its models like that
            is no such provider.
        skip_counts: Whether a target that is skipped for it stands for an attempt.
    """

    name: str
    code: str
    reason: str
    sentence: str
    policy_sentence: str = ""
    cause: str = ""
    precondition: str | None = None
    problem: str = ""
    next: Next = Next.ALWAYS
    retry: Retry = Retry.NEVER
    counts: bool = False
    is_slow: bool = False
    block: Block | None = None
    retry_after_s: float | None = None
    is_busy: bool = False
    is_cold: bool = False
    fails_load: bool = False
    interrupts_as: InterruptCause | None = InterruptCause.PROVIDER
    has_progress: bool = False
    is_about_a_chat: bool = False
    skip_counts: bool = True


class ErrorKind(StrEnum):
    """Class of a provider's failure, with its `rules`."""

    rules: Rules

    def __new__(cls, rules: Rules) -> Self:
        """Make the member of a row."""
        member = str.__new__(cls, rules.name)
        member._value_ = rules.name
        member.rules = rules
        return member

    # No "descriptors" or "memory" for a connection, or no room for more that is "unfinished". The
    # next candidate needs it too, and what we lack is no reason to leave the network.
    EXHAUSTED = Rules(
        name="exhausted",
        code="RESOURCE_EXHAUSTED",
        reason="SERVER_OVERLOADED",
        sentence="This server has no room for an answer of provider {provider}; try again soon.",
        next=Next.NEVER,
        retry_after_s=1.0,
        interrupts_as=InterruptCause.OVERLOAD,
        has_progress=True,
    )
    # No connection, or lost before the first response byte. `cause` may be a `TlsTrouble`.
    CONNECT = Rules(
        name="connect",
        code="UNAVAILABLE",
        reason="PROVIDER_UNREACHABLE",
        sentence="Provider {provider} cannot be reached.",
        retry=Retry.AT_ONCE,
        counts=True,
        retry_after_s=1.0,
    )
    # A fault of the upstream that may pass: 5xx, an error event, a cut answer, an engine that died.
    TRANSIENT = Rules(
        name="transient",
        code="UNAVAILABLE",
        reason="PROVIDER_ERROR",
        sentence="Provider {provider} failed while it ran {model}.",
        retry=Retry.AFTER_A_PAUSE,
        counts=True,
        retry_after_s=1.0,
        fails_load=True,
        has_progress=True,
    )
    # The model could not be loaded.
    LOAD_FAILED = Rules(
        name="load_failed",
        code="UNAVAILABLE",
        reason="PROVIDER_ERROR",
        sentence="Provider {provider} could not load {model}; see its own log.",
        counts=True,
        is_slow=True,
        retry_after_s=10.0,
        is_cold=True,
        has_progress=True,
    )
    # No content in time from a model that is in memory.
    SILENT = Rules(
        name="silent",
        code="UNAVAILABLE",
        reason="PROVIDER_TIMEOUT",
        sentence="Provider {provider} sent nothing of {model} in time.",
        problem="it accepts connections but does not answer",
        counts=True,
        is_slow=True,
        retry_after_s=10.0,
        fails_load=True,
    )
    # The model is being loaded, and patience is over.
    COLD_LOAD = Rules(
        name="cold_load",
        code="UNAVAILABLE",
        reason="MODEL_LOADING",
        sentence="Provider {provider} is still loading {model}; try again soon.",
        retry_after_s=30.0,
        is_busy=True,
        is_cold=True,
    )
    # Our queue in front of the provider is full, or the wait in it was too long.
    QUEUE_FULL = Rules(
        name="queue_full",
        code="RESOURCE_EXHAUSTED",
        reason="SERVER_OVERLOADED",
        sentence="Too many calls wait for {model} at provider {provider}.",
        retry_after_s=1.0,
        is_busy=True,
    )
    # The upstream's own queue is full.
    SATURATED = Rules(
        name="saturated",
        code="RESOURCE_EXHAUSTED",
        reason="PROVIDER_OVERLOADED",
        sentence="Provider {provider} has too many requests waiting.",
        retry_after_s=2.0,
    )
    # The upstream, or a proxy in front of it, limits our rate.
    RATE_LIMIT = Rules(
        name="rate_limit",
        code="RESOURCE_EXHAUSTED",
        reason="PROVIDER_RATE_LIMITED",
        sentence="Provider {provider} limits the rate of this server's requests.",
        retry=Retry.WHEN_TOLD,
        block=Block(
            Scope.PROVIDER_MODEL,
            (2.0, 4.0, 8.0, 16.0, 32.0, 60.0),
            told_s=(0.5, 900.0),
            has_trial=False,
        ),
        retry_after_s=2.0,
    )
    # The money or the allowance of our account is gone.
    QUOTA = Rules(
        name="quota",
        code="RESOURCE_EXHAUSTED",
        reason="PROVIDER_QUOTA_EXHAUSTED",
        sentence="This server's account at provider {provider} has no money or quota left.",
        block=Block(Scope.PROVIDER, (300.0, 900.0)),
    )
    # Our key is refused.
    CREDENTIAL = Rules(
        name="credential",
        code="FAILED_PRECONDITION",
        reason="PROVIDER_CREDENTIALS_REJECTED",
        sentence="Provider {provider} rejects this server's credentials.",
        problem="something in front of it asks for credentials",
        block=Block(Scope.PROVIDER, (300.0,)),
    )
    # The provider does not serve this place.
    REGION = Rules(
        name="region",
        code="FAILED_PRECONDITION",
        reason="PROVIDER_CREDENTIALS_REJECTED",
        sentence="Provider {provider} does not serve the place where this server runs.",
        cause="region",
        block=Block(Scope.PROVIDER, (3600.0,)),
    )
    # The configured address is not that of such a provider.
    MISCONFIGURED = Rules(
        name="misconfigured",
        code="FAILED_PRECONDITION",
        reason="PROVIDER_MISCONFIGURED",
        sentence="The address configured for provider {provider} is not such a server.",
        problem="its base_url answers, but not as such a server: correct it",
        block=Block(Scope.ENDPOINT, (60.0,)),
    )
    # The content would leave the network, and may not: a local server may have refused it too.
    # `cause` is "request" or "operator" where a policy forbids the target.
    REMOTE_REFUSED = Rules(
        name="remote_refused",
        code="FAILED_PRECONDITION",
        reason="ROUTE_FORBIDDEN",
        sentence="{model} of provider {provider} runs elsewhere, and may not be asked to.",
        policy_sentence="The privacy policy forbids provider {provider}; nothing was sent.",
        precondition="PRIVACY",
        problem="its address lies outside the operator's network: see local_networks",
        block=Block(Scope.ENDPOINT_MODEL, (300.0,)),
    )
    # An answer shows that a local provider did forward the content.
    VIOLATION = Rules(
        name="violation",
        code="INTERNAL",
        reason="PRIVACY_VIOLATION",
        sentence="Provider {provider} forwarded the request; its answer was withheld.",
        next=Next.NEVER,
        block=Block(Scope.ENDPOINT_MODEL, (math.inf,)),
        interrupts_as=InterruptCause.PRIVACY,
    )
    # Not there.
    MODEL_MISSING = Rules(
        name="model_missing",
        code="NOT_FOUND",
        reason="MODEL_NOT_FOUND",
        sentence="No provider has the requested model.",
        retry=Retry.ELSEWHERE,
        block=Block(Scope.ENDPOINT_MODEL, (300.0,)),
        is_about_a_chat=True,
        skip_counts=False,
    )
    # The prompt does not fit the context window.
    CONTEXT = Rules(
        name="context",
        code="INVALID_ARGUMENT",
        reason="CONTEXT_LENGTH_EXCEEDED",
        sentence="The input does not fit the context window of {model}; shorten it.",
        next=Next.IF_IT_FITS,
        is_about_a_chat=True,
        skip_counts=False,
    )
    # The provider's policy refuses the prompt.
    CONTENT = Rules(
        name="content",
        code="INVALID_ARGUMENT",
        reason="CONTENT_REJECTED",
        sentence="Provider {provider} refuses the content by its own policy.",
        next=Next.NEVER,
    )
    # The provider calls the request invalid, for a reason without a kind of its own.
    CALLER = Rules(
        name="caller",
        code="INVALID_ARGUMENT",
        reason="REQUEST_REJECTED_UPSTREAM",
        sentence="Provider {provider} calls the request for {model} invalid.",
        next=Next.UNLESS_FIRST,
        is_about_a_chat=True,
    )
    # A local engine ended while it ran a request with a schema.
    FATAL_SCHEMA = Rules(
        name="fatal_schema",
        code="INVALID_ARGUMENT",
        reason="REQUEST_REJECTED_UPSTREAM",
        sentence="Provider {provider} stopped at the request's schema for {model}; simplify it.",
        next=Next.OTHER_KIND,
        is_about_a_chat=True,
        skip_counts=False,
    )
    # The model lacks a requested feature.
    CAPABILITY = Rules(
        name="capability",
        code="FAILED_PRECONDITION",
        reason="CAPABILITY_UNSUPPORTED",
        sentence="{model} of provider {provider} lacks a feature that was asked for.",
        precondition="CAPABILITY",
        is_about_a_chat=True,
        skip_counts=False,
    )
    # The model wrote what its provider cannot use, or repeated itself without end.
    MODEL_OUTPUT = Rules(
        name="model_output",
        code="ABORTED",
        reason="MODEL_OUTPUT_INVALID",
        sentence="{model} of provider {provider} wrote an answer that is of no use.",
        next=Next.ONCE,
        has_progress=True,
    )
    # The answer is not what the request allows: a caller needs to know that of a stream too.
    NONCONFORMING = Rules(
        name="nonconforming",
        code="ABORTED",
        reason="MODEL_OUTPUT_INVALID",
        sentence="{model} of provider {provider} wrote an answer that the request does not allow.",
        next=Next.ONCE,
        interrupts_as=None,
    )
    # The upstream's answer cannot be understood.
    PROTOCOL = Rules(
        name="protocol",
        code="INTERNAL",
        reason="PROVIDER_PROTOCOL",
        sentence="The answer of provider {provider} cannot be understood.",
        problem="its answers cannot be understood: is that such a server?",
        counts=True,
        fails_load=True,
        has_progress=True,
    )
    # Too many calls failed there of late: the breaker holds calls back.
    OPEN = Rules(
        name="open",
        code="UNAVAILABLE",
        reason="BREAKER_OPEN",
        sentence="Provider {provider} failed too often of late; calls are held back.",
        retry_after_s=10.0,
    )
    # Too little time was left to try the target, and another one follows.
    NO_TIME = Rules(
        name="no_time",
        code="DEADLINE_EXCEEDED",
        reason="TIME_LIMIT_EXCEEDED",
        sentence="Too little time was left to try provider {provider}.",
        skip_counts=False,
    )
