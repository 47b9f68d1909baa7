"""Frozen reports of what happened, and who takes them. Knows neither sinks nor wires."""

import traceback
from enum import StrEnum
from typing import Protocol

from llmsvc_server.chat.route import ProviderInfo, Route
from llmsvc_server.chat.usage import Usage
from llmsvc_server.chat.value import value
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind


@value
class RpcStart:
    """One call that begins: its full method name and its id."""

    method: str
    request_id: str


@value
class RpcReport:
    """One finished call.

    `code` is the gRPC status code's name, `reason` our ErrorReason's, empty on success. Lengths
    are in seconds; `first_content_s` is None where nothing was delivered, `route` None where no
    target had answered. `attempts` counts the targets tried or skipped. `cause` is what lies behind
    the reason, as the caller is told. `detail` is our own words for the log where a defect ended the
    call.
    """

    method: str
    request_id: str
    code: str
    reason: str
    cause: str
    duration_s: float
    first_content_s: float | None
    messages_sent: int
    attempts: int
    route: Route | None
    usage: Usage | None
    detail: str


@value
class AttemptReport:
    """One attempt at one provider that failed. `error` holds its class and facts."""

    provider: ProviderInfo
    model: str
    error: ProviderError
    duration_s: float
    first_content_s: float | None


class Subject(StrEnum):
    """What a transition is about."""

    HEALTH = "health"
    PROVIDER = "provider"
    MODELS = "models"
    QUEUE = "queue"
    CONNECTIONS = "connections"
    BREAKER = "breaker"
    BLOCK = "block"
    LOAD = "load"
    DRAIN = "drain"


class TransitionState(StrEnum):
    """What a transition ends in. A provider that can't be looked at has an `ErrorKind` instead."""

    SERVING = "SERVING"
    NOT_SERVING = "NOT_SERVING"
    REACHABLE = "reachable"
    UNKNOWN = "unknown"
    LEFT_OUT = "left out"
    COMPLETE = "complete"
    QUEUEING = "queueing"
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    BLOCKED = "blocked"
    FREE = "free"
    FULL = "full"
    LOADING = "loading"
    LOADED = "loaded"
    FAILED = "failed"
    GIVEN_UP = "given up"
    WEDGED = "wedged"
    STILL_WEDGED = "still wedged"
    FREED = "freed"
    DRAINING = "draining"
    EXPIRING = "expiring"
    DRAINED = "drained"


@value
class Transition:
    """A lasting change, told once. `name` says of what, `state` to what, `detail` why."""

    subject: Subject
    name: str
    state: TransitionState | ErrorKind
    detail: str = ""


class Reporter(Protocol):
    """Takes reports. Called per call and per attempt, never per token; must not raise."""

    def rpc_started(self, start: RpcStart) -> None:
        """Take one beginning call, in its own context."""
        ...

    def rpc_finished(self, report: RpcReport) -> None:
        """Take one finished call."""
        ...

    def attempt_failed(self, report: AttemptReport) -> None:
        """Take one failed attempt."""
        ...

    def changed(self, change: Transition) -> None:
        """Take one lasting change."""
        ...


def place_of(error: BaseException) -> str:
    """Return where an exception arose: its last three frames, never its text."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames))
