"""What can go wrong with a call, as types. gRPC's own exception is only ever their `__cause__`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from typing_extensions import override

from llmsvc_client.answers import Attempt, Route, Usage
from llmsvc_client.tools import SchemaViolation


class Code(StrEnum):
    """The gRPC status of a failed call, by its name."""

    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    ABORTED = "ABORTED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"
    DATA_LOSS = "DATA_LOSS"
    UNAUTHENTICATED = "UNAUTHENTICATED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What every failure tells, whatever its class.

    Attributes:
        code: The gRPC status.
        message: A sentence for people. It may change; never decide by it.
        reason: Name of an `ErrorReason` of the contract, without prefix. Empty if the failure does
            not come from an llmsvc server. Newer servers may send names that are not listed yet.
        request_id: The request's id in the server's logs. Empty if none is known.
        retry_after_s: Earliest useful retry in seconds. None if the server named none.
        metadata: Further facts by name, such as `provider` or `phase`, as the contract lists them.
        route: What was tried, and who had begun to answer, if anybody. None if not said.
    """

    code: Code
    message: str
    reason: str = ""
    request_id: str = ""
    retry_after_s: float | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    route: Route | None = None


class LlmsvcError(Exception):
    """A call failed. Root of all errors here, and the type of those without a class of their own.

    Attributes:
        code, message, reason, request_id, retry_after_s, metadata, route: As in `Failure`.
        attempts: Targets tried or skipped, in order, as in `route`. Empty if not said.
        failover_blocked: What kept further targets away, `privacy` or `request`. Empty if nothing.
        cause: What lies behind the reason, such as `operator` or `timeLimit`, as the contract lists
            them. Empty if not said.
        retryable: Whether the failure may pass by itself and nothing of an answer was delivered:
            the same call may be sent again, after `retry_after_s` if that is set.
    """

    def __init__(self, failure: Failure) -> None:
        """Keep what is known."""
        super().__init__(failure)
        self.code = failure.code
        self.message = failure.message
        self.reason = failure.reason
        self.request_id = failure.request_id
        self.retry_after_s = failure.retry_after_s
        self.metadata = failure.metadata
        self.route = failure.route
        self.attempts: tuple[Attempt, ...] = () if self.route is None else self.route.attempts
        self.failover_blocked = failure.metadata.get("failoverBlocked", "")
        self.cause = failure.metadata.get("cause", "")
        self.retryable = failure.code is Code.UNAVAILABLE or failure.retry_after_s is not None

    @override
    def __str__(self) -> str:
        """Return the message, with code, reason and request id behind it."""
        facts = [self.code.value, self.reason, self.request_id and f"request {self.request_id}"]
        return f"{self.message} ({', '.join(fact for fact in facts if fact)})"


@dataclass(frozen=True, slots=True)
class Violation:
    """One refused field of a request.

    Attributes:
        field: Path in the contract, such as `messages[2].parts[0].text`.
        reason: MISSING, MALFORMED, OUT_OF_RANGE, TOO_LONG, ...
        description: What is wrong and what would do, for people.
    """

    field: str
    reason: str
    description: str


class InvalidRequestError(LlmsvcError):
    """The request itself is refused, here or by the server. Sending it again can't help.

    Attributes:
        violations: The refused fields. Empty where the request as a whole is the trouble.
    """

    def __init__(self, failure: Failure, *, violations: Sequence[Violation] = ()) -> None:
        """Keep the fields too."""
        super().__init__(failure)
        self.violations = tuple(violations)


class NotFoundError(LlmsvcError):
    """No permitted target has the model, or there is no such provider or health name.

    Attributes:
        resource_type: What was looked for, `model` or `provider`. Empty if not said.
        resource_name: Its name. Empty if not said.
    """

    def __init__(
        self, failure: Failure, *, resource_type: str = "", resource_name: str = ""
    ) -> None:
        """Keep what was looked for."""
        super().__init__(failure)
        self.resource_type = resource_type
        self.resource_name = resource_name


class AccessDeniedError(LlmsvcError):
    """Something between here and the server, such as a proxy, wants other credentials."""


class PreconditionError(LlmsvcError):
    """The model, a policy or the server's configuration does not allow the call as it is."""


class OverloadedError(LlmsvcError):
    """The server or a provider lacks capacity: try again after `retry_after_s`.

    Without one, as where an account has no money left, waiting is of no use.
    """


class UnavailableError(LlmsvcError):
    """Nobody can answer now: the server or its providers can't be reached, drain, or fail."""


class DeadlineExceededError(LlmsvcError):
    """The time for the call is over: `timeout_s`, or the server's own limit."""


class StreamInterruptedError(LlmsvcError):
    """The answer broke off after it had begun. What was shown is not the whole.

    Attributes:
        partial: The text that arrived. In no repr.
        usage: Tokens used so far. None if not reported.
    """

    def __init__(
        self,
        failure: Failure,
        *,
        partial: str = "",
        usage: Usage | None = None,
    ) -> None:
        """Keep what arrived."""
        super().__init__(failure)
        self.retryable = False
        self.partial = partial
        self.usage = usage


class NonconformingError(LlmsvcError):
    """What the model wrote is of no use, or is not what the request requires.

    `cause` is `responseFormat` or `toolCall` where it is the latter. `reply.parsed()` raises it too.

    Attributes:
        partial: The text that arrived. In no repr.
        usage: Tokens used. None if not reported.
        violations: Where a text does not conform, as far as is known: `parsed` knows it, a call that
            fails does not.
    """

    def __init__(
        self,
        failure: Failure,
        *,
        partial: str = "",
        usage: Usage | None = None,
        violations: Sequence[SchemaViolation] = (),
    ) -> None:
        """Keep what arrived, and what is wrong with it."""
        super().__init__(failure)
        self.retryable &= not partial
        self.partial = partial
        self.usage = usage
        self.violations = tuple(violations)


class ServerError(LlmsvcError):
    """A defect on the other side, or one that does not speak this contract."""
