"""What can go wrong, as types with fields. Nothing here knows gRPC, HTTP or what follows."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from typing_extensions import override

from llmsvc_server.chat.features import Capability
from llmsvc_server.chat.route import ProviderInfo
from llmsvc_server.chat.usage import Usage
from llmsvc_server.chat.value import exception
from llmsvc_server.failures import ErrorKind, InterruptCause

_AS_CALLED = -1


class LlmsvcError(Exception):
    """Root of everything that the service itself raises: complete when raised, and never changed."""

    def __post_init__(self) -> None:
        """Keep the facts out of what Python prints: some are the caller's."""
        super().__init__()


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


@exception
class InvalidRequest(LlmsvcError):
    """The request breaks the contract; `violations` are all that were found, at least one."""

    violations: Sequence[Violation] = field(kw_only=False)


@exception
class Overloaded(LlmsvcError):
    """The process runs all the chats that it may. `retry_after_s` says how long to stay away."""

    retry_after_s: float = field(kw_only=False)


@exception
class ShuttingDown(LlmsvcError):
    """The server drains, and nothing of an answer was delivered.

    `called` says whether a provider was running the request, so that a client must not repeat it
    by reflex.
    """

    called: bool = False


@exception
class DeadlineExpired(LlmsvcError):
    """The caller's time, or our cap on it, is over.

    `limit_s` is our limit in seconds where it, not the caller's deadline, has passed.
    """

    limit_s: float | None = field(default=None, kw_only=False)


@exception
class ProviderNotFound(LlmsvcError):
    """The caller named a provider that is not configured: `name` is the caller's."""

    name: str = field(kw_only=False)


@exception
class ProviderError(LlmsvcError):
    """One provider failed to answer one request. Who knows more makes another by `replace`.

    There is no text: an upstream's words go no further than its adapter.

    Attributes:
        kind: Class of the failure, with the rules for it.
        provider: Who failed; the plan or the router knows.
        endpoint: Name of the address that was used, never the address. May be empty.
        model: The model that was asked, in the provider's spelling. Empty if there was none.
        row: The row of docs/failover.md 2.2 that matched, such as "O07". Empty if none was needed.
        status: HTTP status, where there was one.
        phase: What was going on: "connect", "load", "first_token", "idle", "stream". May be empty.
        cause: Finer class within the kind, such as "repetition". May be empty.
        code: The upstream's own code or type, if it is one of docs/failover.md 2.2; "other" for any
            else it gave, empty for none.
        param: The request field that the upstream named, in its own terms. May be empty.
        retry_after_s: When the provider wants to be asked again, if it said so.
        context_length, input_tokens: Facts of a CONTEXT failure, where the provider gave them.
        called: Whether the request was sent upstream.
        requests: How many requests were made, a replaced connection's and a refused one's too; if
            left out, one if it was called.
        is_cut_short: Whether it was ended for the sake of others, which speaks of nobody's health.
        engine_died: Whether the engine behind the model stopped: it is in memory no more.
        lacks: Of a CAPABILITY failure: what is known to be missing. Nothing where an upstream refused
            without saying what.
        pull_hint: Of a missing model: a configured model's name. May be empty.
        present: Of a missing model: what permitted targets have.
        failover_blocked: What kept further targets away, "privacy" or "request". May be empty.
    """

    kind: ErrorKind = field(kw_only=False)
    provider: ProviderInfo | None = None
    endpoint: str = ""
    model: str = ""
    row: str = ""
    status: int | None = None
    phase: str = ""
    cause: str = ""
    code: str = ""
    param: str = ""
    retry_after_s: float | None = None
    context_length: int | None = None
    input_tokens: int | None = None
    called: bool = True
    requests: int = _AS_CALLED
    is_cut_short: bool = False
    engine_died: bool = False
    lacks: frozenset[Capability] = frozenset()
    pull_hint: str = ""
    present: Sequence[str] = ()
    failover_blocked: str = ""

    @override
    def __post_init__(self) -> None:
        """Be called what the kind is."""
        Exception.__init__(self, self.kind.value)
        if self.requests == _AS_CALLED:
            object.__setattr__(self, "requests", int(self.called))

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

    def in_answer(self, model: str, phase: str) -> "ProviderError":
        """Return the same of one model, and of how far its answer had come where that is told."""
        phase = self.phase or (phase if self.kind.rules.has_progress else "")
        return replace(self, model=model, phase=phase)

    def unsent(self, retry_after_s: float | None) -> "ProviderError":
        """Return the same failure as that of a target that is not even called."""
        return ProviderError(
            self.kind,
            provider=self.provider,
            endpoint=self.endpoint,
            model=self.model,
            row=self.row,
            phase=self.phase,
            cause=self.cause,
            retry_after_s=retry_after_s,
            called=False,
        )


@exception
class AllProvidersFailed(LlmsvcError):
    """Several candidates were tried, and all failed.

    Attributes:
        deciding: The failure that decides the status.
        retry_after_s: The soonest useful retry; None where waiting does not help.
        called: Whether any request was sent upstream.
        failover_blocked: What kept further targets away, "privacy" or "request". May be empty.
    """

    deciding: ProviderError = field(kw_only=False)
    retry_after_s: float | None
    called: bool
    failover_blocked: str = ""


@exception
class StreamInterrupted(LlmsvcError):
    """A fault after the commit point: the text already shown can't be replaced.

    `phase` is where it broke, `usage` what had been used.
    """

    cause: InterruptCause = field(kw_only=False)
    phase: str = ""
    usage: Usage | None = None


def let_go(error: BaseException | None) -> None:
    """Forget where an error came from, and with it the prompts and answers in those frames.

    Where a frame has a name for what it raises, or gRPC keeps what it raises for a status, they are
    a cycle, and all of that would stay until some garbage is collected.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__context__
