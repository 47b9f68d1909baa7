"""What follows from each class of failure: one table, read by the course and by rpc/status.py."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Consequences of one class.

    `code` is a gRPC status code's name, `reason` an ErrorReason without its prefix.
    `retry_after_s` is the advice where the failure itself brings none; None where waiting does
    not help.
    """

    code: str
    reason: str
    next: Next = Next.ALWAYS
    retry_after_s: float | None = None


POLICY: dict[ErrorKind, Policy] = {
    ErrorKind.CONNECT: Policy(code="UNAVAILABLE", reason="PROVIDER_UNREACHABLE", retry_after_s=1.0),
    ErrorKind.TRANSIENT: Policy(code="UNAVAILABLE", reason="PROVIDER_ERROR", retry_after_s=1.0),
    ErrorKind.LOAD_FAILED: Policy(code="UNAVAILABLE", reason="PROVIDER_ERROR", retry_after_s=10.0),
    ErrorKind.SILENT: Policy(code="UNAVAILABLE", reason="PROVIDER_TIMEOUT", retry_after_s=10.0),
    ErrorKind.COLD_LOAD: Policy(code="UNAVAILABLE", reason="MODEL_LOADING", retry_after_s=30.0),
    ErrorKind.QUEUE_FULL: Policy(
        code="RESOURCE_EXHAUSTED", reason="SERVER_OVERLOADED", retry_after_s=1.0
    ),
    ErrorKind.SATURATED: Policy(
        code="RESOURCE_EXHAUSTED", reason="PROVIDER_OVERLOADED", retry_after_s=2.0
    ),
    ErrorKind.RATE_LIMIT: Policy(
        code="RESOURCE_EXHAUSTED", reason="PROVIDER_RATE_LIMITED", retry_after_s=2.0
    ),
    ErrorKind.CREDENTIAL: Policy(
        code="FAILED_PRECONDITION", reason="PROVIDER_CREDENTIALS_REJECTED"
    ),
    ErrorKind.MISCONFIGURED: Policy(code="FAILED_PRECONDITION", reason="PROVIDER_MISCONFIGURED"),
    ErrorKind.REMOTE_REFUSED: Policy(code="FAILED_PRECONDITION", reason="ROUTE_FORBIDDEN"),
    ErrorKind.VIOLATION: Policy(code="INTERNAL", reason="PRIVACY_VIOLATION", next=Next.NEVER),
    ErrorKind.MODEL_MISSING: Policy(code="NOT_FOUND", reason="MODEL_NOT_FOUND"),
    # Only a candidate whose window is known to be larger could help; that enters with failover.
    ErrorKind.CONTEXT: Policy(
        code="INVALID_ARGUMENT", reason="CONTEXT_LENGTH_EXCEEDED", next=Next.NEVER
    ),
    ErrorKind.CALLER: Policy(
        code="INVALID_ARGUMENT", reason="REQUEST_REJECTED_UPSTREAM", next=Next.UNLESS_FIRST
    ),
    ErrorKind.CAPABILITY: Policy(code="FAILED_PRECONDITION", reason="CAPABILITY_UNSUPPORTED"),
    ErrorKind.MODEL_OUTPUT: Policy(code="ABORTED", reason="MODEL_OUTPUT_INVALID", next=Next.ONCE),
    ErrorKind.PROTOCOL: Policy(code="INTERNAL", reason="PROVIDER_PROTOCOL"),
}


def advised_wait_s(error: ProviderError) -> float | None:
    """Return when asking again may help, in seconds; None where waiting does not."""
    advice_s = POLICY[error.kind].retry_after_s
    if advice_s is None or error.retry_after_s is None:
        return advice_s
    return error.retry_after_s
