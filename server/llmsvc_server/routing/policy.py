"""What follows from each class of failure: one table, read wherever something follows.

By the course, the breaker, the blocks and rpc/status.py. Rows and their reasons: failover.md 2.1.
"""

from dataclasses import dataclass
from enum import StrEnum

from llmsvc_server.errors import ErrorKind, ProviderError


class Next(StrEnum):
    """Whether the next candidate is asked after a failure."""

    ALWAYS = "always"
    NEVER = "never"
    # The first attempt's word on the request counts, a later one's is a fact about its provider.
    UNLESS_FIRST = "unless_first"
    ONCE = "once"
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


MOST_TOLD_S = 900.0
"""Longest block by a rate limit whose end the provider told, in seconds (failover.md 6)."""


class Scope(StrEnum):
    """What a block keeps requests away from."""

    PROVIDER = "provider"
    PROVIDER_MODEL = "provider_model"
    ENDPOINT = "endpoint"
    ENDPOINT_MODEL = "endpoint_model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Consequences of one class.

    `code` is a gRPC status code's name, `reason` an ErrorReason without its prefix.
    `retry_after_s` is the advice where the failure itself brings none; None where waiting does
    not help. `counts` says whether the breaker counts it, `slow` whether it took its time, so that
    the breaker stays open longer.
    """

    code: str
    reason: str
    next: Next = Next.ALWAYS
    retry: Retry = Retry.NEVER
    counts: bool = False
    slow: bool = False
    block: Scope | None = None
    retry_after_s: float | None = None


POLICY: dict[ErrorKind, Policy] = {
    # The next candidate needs a connection too, and what we lack is no reason to leave the network.
    ErrorKind.EXHAUSTED: Policy(
        code="RESOURCE_EXHAUSTED", reason="SERVER_OVERLOADED", next=Next.NEVER, retry_after_s=1.0
    ),
    ErrorKind.CONNECT: Policy(
        code="UNAVAILABLE",
        reason="PROVIDER_UNREACHABLE",
        retry=Retry.AT_ONCE,
        counts=True,
        retry_after_s=1.0,
    ),
    ErrorKind.TRANSIENT: Policy(
        code="UNAVAILABLE",
        reason="PROVIDER_ERROR",
        retry=Retry.AFTER_A_PAUSE,
        counts=True,
        retry_after_s=1.0,
    ),
    ErrorKind.LOAD_FAILED: Policy(
        code="UNAVAILABLE", reason="PROVIDER_ERROR", counts=True, slow=True, retry_after_s=10.0
    ),
    ErrorKind.SILENT: Policy(
        code="UNAVAILABLE", reason="PROVIDER_TIMEOUT", counts=True, slow=True, retry_after_s=10.0
    ),
    ErrorKind.COLD_LOAD: Policy(code="UNAVAILABLE", reason="MODEL_LOADING", retry_after_s=30.0),
    ErrorKind.QUEUE_FULL: Policy(
        code="RESOURCE_EXHAUSTED", reason="SERVER_OVERLOADED", retry_after_s=1.0
    ),
    ErrorKind.SATURATED: Policy(
        code="RESOURCE_EXHAUSTED", reason="PROVIDER_OVERLOADED", retry_after_s=2.0
    ),
    ErrorKind.RATE_LIMIT: Policy(
        code="RESOURCE_EXHAUSTED",
        reason="PROVIDER_RATE_LIMITED",
        retry=Retry.WHEN_TOLD,
        block=Scope.PROVIDER_MODEL,
        retry_after_s=2.0,
    ),
    ErrorKind.QUOTA: Policy(
        code="RESOURCE_EXHAUSTED", reason="PROVIDER_QUOTA_EXHAUSTED", block=Scope.PROVIDER
    ),
    ErrorKind.CREDENTIAL: Policy(
        code="FAILED_PRECONDITION", reason="PROVIDER_CREDENTIALS_REJECTED", block=Scope.PROVIDER
    ),
    ErrorKind.REGION: Policy(
        code="FAILED_PRECONDITION", reason="PROVIDER_CREDENTIALS_REJECTED", block=Scope.PROVIDER
    ),
    ErrorKind.MISCONFIGURED: Policy(
        code="FAILED_PRECONDITION", reason="PROVIDER_MISCONFIGURED", block=Scope.ENDPOINT
    ),
    ErrorKind.REMOTE_REFUSED: Policy(
        code="FAILED_PRECONDITION", reason="ROUTE_FORBIDDEN", block=Scope.ENDPOINT_MODEL
    ),
    ErrorKind.VIOLATION: Policy(
        code="INTERNAL", reason="PRIVACY_VIOLATION", next=Next.NEVER, block=Scope.ENDPOINT_MODEL
    ),
    ErrorKind.MODEL_MISSING: Policy(
        code="NOT_FOUND",
        reason="MODEL_NOT_FOUND",
        retry=Retry.ELSEWHERE,
        block=Scope.ENDPOINT_MODEL,
    ),
    ErrorKind.CONTEXT: Policy(
        code="INVALID_ARGUMENT", reason="CONTEXT_LENGTH_EXCEEDED", next=Next.IF_IT_FITS
    ),
    ErrorKind.CONTENT: Policy(code="INVALID_ARGUMENT", reason="CONTENT_REJECTED", next=Next.NEVER),
    ErrorKind.CALLER: Policy(
        code="INVALID_ARGUMENT", reason="REQUEST_REJECTED_UPSTREAM", next=Next.UNLESS_FIRST
    ),
    ErrorKind.CAPABILITY: Policy(code="FAILED_PRECONDITION", reason="CAPABILITY_UNSUPPORTED"),
    ErrorKind.MODEL_OUTPUT: Policy(code="ABORTED", reason="MODEL_OUTPUT_INVALID", next=Next.ONCE),
    ErrorKind.PROTOCOL: Policy(code="INTERNAL", reason="PROVIDER_PROTOCOL", counts=True),
    ErrorKind.OPEN: Policy(code="UNAVAILABLE", reason="BREAKER_OPEN", retry_after_s=10.0),
    ErrorKind.NO_TIME: Policy(code="DEADLINE_EXCEEDED", reason="TIME_LIMIT_EXCEEDED"),
}


def advised_wait_s(error: ProviderError) -> float | None:
    """Return when asking again may help, in seconds; None where waiting does not.

    That is never later than a block for it ends.
    """
    advice_s = POLICY[error.kind].retry_after_s
    if advice_s is None or error.retry_after_s is None:
        return advice_s
    if error.kind is ErrorKind.RATE_LIMIT:
        return min(error.retry_after_s, MOST_TOLD_S)
    return error.retry_after_s
