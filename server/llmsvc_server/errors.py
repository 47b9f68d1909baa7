"""What can go wrong, as types with fields. Nothing here knows gRPC, HTTP or what follows."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Self

from llmsvc_server.chat.deadline import Verdict
from llmsvc_server.chat.route import ProviderInfo, Route, Trail
from llmsvc_server.chat.usage import Usage
from llmsvc_server.failures import ErrorKind


class LlmsvcError(Exception):
    """Root of everything that the service itself raises.

    Attributes:
        trail: What was tried for the request; None before any target was considered.
        failover_blocked: What kept further targets away, "privacy" or "request". May be empty.
    """

    trail: Trail | None = None
    failover_blocked: str = ""


class ViolationReason(StrEnum):
    """Why a field is refused; the `reason` of a BadRequest field violation."""

    MISSING = "MISSING"
    MALFORMED = "MALFORMED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    TOO_LONG = "TOO_LONG"
    TOO_MANY = "TOO_MANY"
    UNKNOWN = "UNKNOWN"
    NOT_ALLOWED = "NOT_ALLOWED"


@dataclass(frozen=True, slots=True)
class Violation:
    """One refused request field: path in the contract, why, and the remedy. Never the value."""

    field: str
    reason: ViolationReason
    description: str


class InvalidRequest(LlmsvcError):
    """The request breaks the contract."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        """Keep all violations found, at least one."""
        super().__init__("invalid request")
        self.violations = tuple(violations)


class Overloaded(LlmsvcError):
    """The process runs all the chats that it may."""

    def __init__(self, retry_after_s: float) -> None:
        """Keep how long to stay away, in seconds."""
        super().__init__("server overloaded")
        self.retry_after_s = retry_after_s


class ShuttingDown(LlmsvcError):
    """The server drains, and nothing of an answer was delivered.

    `called` says whether a provider was running the request, so that a client must not repeat it
    by reflex.
    """

    def __init__(self, *, called: bool = False) -> None:
        """Keep whether a provider was called."""
        super().__init__("shutting down")
        self.called = called


class DeadlineExpired(LlmsvcError):
    """The caller's time, or our cap on it, is over.

    `limit_s` is our limit in seconds where it, not the caller's deadline, has passed.
    """

    def __init__(self, limit_s: float | None = None) -> None:
        """Keep our own limit, if that was it."""
        super().__init__("deadline expired")
        self.limit_s = limit_s


class ProviderNotFound(LlmsvcError):
    """The caller named a provider that is not configured."""

    def __init__(self, name: str) -> None:
        """Keep the name, which is the caller's."""
        super().__init__("provider not found")
        self.name = name


class ProviderError(LlmsvcError):
    """One provider failed to answer one request.

    Attributes:
        kind: Class of the failure.
        provider: Who failed; the plan or the router fills it in.
        endpoint: Name of the address that was used, never the address. May be empty.
        model: The model that was asked, in the provider's spelling. Empty if there was none.
        row: The row of failover.md 2.2 that matched, such as "O07". Empty if none was needed.
        status: HTTP status, where there was one.
        phase: What was going on: "connect", "load", "first_token", "idle", "stream". May be empty.
        cause: Finer class within the kind, such as "repetition". May be empty.
        code: The upstream's own code or type, if it is one of those in failover.md 2.2; "other"
            for any else it gave, empty for none.
        param: The request field that the upstream named, in its own terms. May be empty.
        retry_after_s: When the provider wants to be asked again, if it said so.
        context_length, input_tokens: Facts of a CONTEXT failure, where the provider gave them.
        called: Whether the request was sent upstream.
        requests: How many requests were made, a replaced connection's and a refused one's too.
        ran_s: How long it ran there, without waits in our queue and for a load.
        elapsed_s: How long the attempt took; None where there was none.
        written_tokens: About how many tokens of the discarded answer had come.
        is_cut_short: Whether it was ended for the sake of others, which speaks of nobody's health.
        verdict: What this says of the upstream's health, not counted yet; None if nothing.
    """

    kind: ClassVar[ErrorKind]

    def __init__(  # noqa: PLR0913  facts, all optional, all by keyword
        self,
        *,
        row: str = "",
        status: int | None = None,
        phase: str = "",
        cause: str = "",
        code: str = "",
        param: str = "",
        retry_after_s: float | None = None,
        model: str = "",
        context_length: int | None = None,
        input_tokens: int | None = None,
        called: bool = True,
    ) -> None:
        """Keep the facts. There is no text: an upstream's words go no further than its adapter."""
        super().__init__(self.kind.value)
        self.provider: ProviderInfo | None = None
        self.endpoint = ""
        self.row = row
        self.status = status
        self.phase = phase
        self.cause = cause
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s
        self.model = model
        self.context_length = context_length
        self.input_tokens = input_tokens
        self.called = called
        self.ran_s = 0.0
        self.elapsed_s: float | None = None
        self.requests = 1 if called else 0
        self.written_tokens = 0
        self.is_cut_short = False
        self.verdict: Verdict | None = None

    @property
    def advised_wait_s(self) -> float | None:
        """When asking again may help, in seconds; None where waiting does not.

        That is never later than a block for it ends.
        """
        rules = self.kind.rules
        if rules.retry_after_s is None or self.retry_after_s is None:
            return rules.retry_after_s
        if rules.block is not None and rules.block.told_s is not None:
            return min(self.retry_after_s, rules.block.told_s[1])
        return self.retry_after_s

    def unsent(self, retry_after_s: float | None) -> Self:
        """Return the same failure as that of a target that is not even called."""
        copy = type(self)(
            row=self.row,
            phase=self.phase,
            cause=self.cause,
            model=self.model,
            retry_after_s=retry_after_s,
            called=False,
        )
        copy.provider = self.provider
        copy.endpoint = self.endpoint
        return copy


class ServerExhausted(ProviderError):
    """No "descriptors" or "memory" for a connection, or no room for more that is "unfinished"."""

    kind = ErrorKind.EXHAUSTED


class ProviderUnreachable(ProviderError):
    """No connection, or lost before the first response byte. `cause` may be a `TlsTrouble`."""

    kind = ErrorKind.CONNECT


class ProviderFailed(ProviderError):
    """A fault of the upstream that may pass: 5xx, an error event, a cut answer."""

    kind = ErrorKind.TRANSIENT


class EngineDied(ProviderFailed):
    """The engine behind the model stopped: the model is in memory no more."""


class LoadFailed(ProviderFailed):
    """The model could not be loaded."""

    kind = ErrorKind.LOAD_FAILED


class ModelOutputInvalid(ProviderFailed):
    """The model wrote what its provider cannot use, or repeated itself without end."""

    kind = ErrorKind.MODEL_OUTPUT


class ProviderTimeout(ProviderError):
    """No content in time from a model that is in memory."""

    kind = ErrorKind.SILENT


class ModelLoading(ProviderError):
    """The model is being loaded, and patience is over."""

    kind = ErrorKind.COLD_LOAD


class ProviderOverloaded(ProviderError):
    """The upstream's own queue is full."""

    kind = ErrorKind.SATURATED


class QueueFull(ProviderOverloaded):
    """Our queue in front of the provider is full, or the wait in it was too long."""

    kind = ErrorKind.QUEUE_FULL


class ProviderRateLimited(ProviderError):
    """The upstream, or a proxy in front of it, limits our rate."""

    kind = ErrorKind.RATE_LIMIT


class QuotaExhausted(ProviderError):
    """The money or the allowance of our account is gone."""

    kind = ErrorKind.QUOTA


class CredentialRejected(ProviderError):
    """Our key is refused."""

    kind = ErrorKind.CREDENTIAL


class RegionRejected(ProviderError):
    """The provider does not serve this place."""

    kind = ErrorKind.REGION


class ProviderMisconfigured(ProviderError):
    """The configured address is not that of such a provider."""

    kind = ErrorKind.MISCONFIGURED


class ProviderProtocolError(ProviderError):
    """The upstream's answer cannot be understood."""

    kind = ErrorKind.PROTOCOL


class RouteForbidden(ProviderError):
    """The content would leave the network, and may not: a local server may have refused it too.

    `cause` is "request" or "operator" where a policy forbids the target.
    """

    kind = ErrorKind.REMOTE_REFUSED


class PrivacyViolated(ProviderError):
    """An answer shows that a local provider did forward the content."""

    kind = ErrorKind.VIOLATION


class ModelNotFound(ProviderError):
    """Not there. `pull_hint` is a configured model's name, `present` what permitted targets have."""

    kind = ErrorKind.MODEL_MISSING
    pull_hint: str = ""
    present: Sequence[str] = ()


class ContextTooLong(ProviderError):
    """The prompt does not fit the context window."""

    kind = ErrorKind.CONTEXT


class ContentRejected(ProviderError):
    """The provider's policy refuses the prompt."""

    kind = ErrorKind.CONTENT


class ProviderRejected(ProviderError):
    """The provider calls the request invalid, for a reason without a class of its own."""

    kind = ErrorKind.CALLER


class CapabilityMissing(ProviderError):
    """The model lacks a requested feature."""

    kind = ErrorKind.CAPABILITY


class ProviderBlocked(ProviderError):
    """Too many calls failed there of late: the breaker holds calls back."""

    kind = ErrorKind.OPEN


class TooLittleTime(ProviderError):
    """Too little time was left to try the target, and another one follows."""

    kind = ErrorKind.NO_TIME


class AllProvidersFailed(LlmsvcError):
    """Several candidates were tried, and all failed.

    `deciding` is the failure that decides the status; `retry_after_s` the soonest useful retry;
    `called` whether any request was sent upstream.
    """

    def __init__(
        self, deciding: ProviderError, *, retry_after_s: float | None, called: bool
    ) -> None:
        """Keep what the status is made of."""
        super().__init__("all providers failed")
        self.deciding = deciding
        self.retry_after_s = retry_after_s
        self.called = called


class InterruptCause(StrEnum):
    """What broke a stream after content was delivered; `cause` in the error's metadata."""

    PROVIDER = "provider"
    TIME_LIMIT = "timeLimit"
    DRAIN = "drain"
    PRIVACY = "privacy"
    SLOW_READER = "slowReader"
    OVERLOAD = "overload"
    INTERNAL = "internal"


class StreamInterrupted(LlmsvcError):
    """A fault after the commit point: the text already shown can't be replaced."""

    def __init__(
        self, cause: InterruptCause, route: Route, *, phase: str = "", usage: Usage | None = None
    ) -> None:
        """Keep who had begun to answer, in which phase it broke, and what had been used."""
        super().__init__("stream interrupted")
        self.cause = cause
        self.route = route
        self.phase = phase
        self.usage = usage
