"""Frozen reports of what happened, and who takes them. Knows neither sinks nor wires."""

import traceback
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum

from typing_extensions import override

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


class AttemptEnd(StrEnum):
    """How an attempt ended."""

    ANSWERED = "answered"
    FAILED = "failed"
    # By its caller, or by ourselves: a drain, no room for the answer, a defect.
    LEFT = "left"


@value
class AttemptReport:
    """One attempt at one provider that is over.

    `error` holds class and facts of one that FAILED, and is None of any other. `duration_s` is
    its length with waits and all; `first_content_s` counts from when the provider was asked, and
    is None where no content came. `written_tokens` is about how many came of a FAILED one's answer,
    which is discarded unless it had begun to be delivered.
    """

    provider: ProviderInfo
    model: str
    end: AttemptEnd
    error: ProviderError | None = None
    duration_s: float
    first_content_s: float | None
    written_tokens: int = 0


class HealthState(StrEnum):
    """Whether calls are to be sent here."""

    SERVING = "SERVING"
    NOT_SERVING = "NOT_SERVING"


class PollState(StrEnum):
    """What a poll of a provider found. Where it failed, an `ErrorKind` says so instead."""

    REACHABLE = "reachable"
    UNKNOWN = "unknown"


class ModelsState(StrEnum):
    """Whether all models of a provider are known."""

    COMPLETE = "complete"
    LEFT_OUT = "left out"


class QueueState(StrEnum):
    """That calls wait for places."""

    QUEUEING = "queueing"


class ConnectionsState(StrEnum):
    """Whether one more connection of a caller's is taken."""

    FULL = "full"
    FREE = "free"


class BreakerState(StrEnum):
    """What a breaker does: passes all, holds all back, or passes one at a time on trial."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BlockState(StrEnum):
    """Whether requests are kept away for a known time."""

    BLOCKED = "blocked"
    FREE = "free"


class LoadState(StrEnum):
    """How the load of a model goes, or the freeing of one that is wedged."""

    LOADING = "loading"
    LOADED = "loaded"
    FAILED = "failed"
    GIVEN_UP = "given up"
    WEDGED = "wedged"
    STILL_WEDGED = "still wedged"
    FREED = "freed"


class DrainState(StrEnum):
    """How far the server's end is."""

    DRAINING = "draining"
    EXPIRING = "expiring"
    DRAINED = "drained"


class ReporterState(StrEnum):
    """That one of those who take reports takes none any more."""

    DROPPED = "dropped"


State = (
    HealthState
    | PollState
    | ErrorKind
    | ModelsState
    | QueueState
    | ConnectionsState
    | BreakerState
    | BlockState
    | LoadState
    | DrainState
    | ReporterState
)
SUBJECTS: Mapping[type[State], str] = {
    HealthState: "health",
    PollState: "provider",
    ErrorKind: "provider",
    ModelsState: "models",
    QueueState: "queue",
    ConnectionsState: "connections",
    BreakerState: "breaker",
    BlockState: "block",
    LoadState: "load",
    DrainState: "drain",
    ReporterState: "reporter",
}
"""What a state is one of."""


@value
class Transition:
    """A lasting change, told once. `name` says of what, `state` to what, `detail` why."""

    name: str
    state: State
    detail: str = ""

    @property
    def subject(self) -> str:
        """What kind of thing it is about, such as "breaker"."""
        return SUBJECTS[type(self.state)]


class Reporter:
    """Takes reports, and does nothing with those whose method it does not override.

    Called per call and per attempt, never per token; must not raise: see `FanOut`.
    """

    def rpc_started(self, start: RpcStart) -> None:
        """Take one beginning call, in its own context."""

    def rpc_finished(self, report: RpcReport) -> None:
        """Take one finished call."""

    def attempt_finished(self, report: AttemptReport) -> None:
        """Take one attempt that is over, however it ended."""

    def changed(self, change: Transition) -> None:
        """Take one lasting change."""


class FanOut(Reporter):
    """Hands every report to several sinks. One that raises is left out, and all are told so once."""

    def __init__(self, *sinks: Reporter) -> None:
        """Hand on to `sinks`, in this order."""
        self._sinks = sinks

    @override
    def __repr__(self) -> str:
        """Return who is left."""
        return f"<FanOut: {', '.join(type(sink).__name__ for sink in self._sinks) or 'nobody'}>"

    @override
    def rpc_started(self, start: RpcStart) -> None:
        for sink in self._sinks:
            try:
                sink.rpc_started(start)
            except Exception as error:  # noqa: BLE001  whatever a sink does, a call is answered
                self._drop(sink, error)

    @override
    def rpc_finished(self, report: RpcReport) -> None:
        for sink in self._sinks:
            try:
                sink.rpc_finished(report)
            except Exception as error:  # noqa: BLE001  as above
                self._drop(sink, error)

    @override
    def attempt_finished(self, report: AttemptReport) -> None:
        for sink in self._sinks:
            try:
                sink.attempt_finished(report)
            except Exception as error:  # noqa: BLE001  as above
                self._drop(sink, error)

    @override
    def changed(self, change: Transition) -> None:
        for sink in self._sinks:
            try:
                sink.changed(change)
            except Exception as error:  # noqa: BLE001  as above
                self._drop(sink, error)

    def _drop(self, sink: Reporter, error: Exception) -> None:
        if sink not in self._sinks:
            return  # it raised when it was told of another one, and once is enough
        self._sinks = tuple(one for one in self._sinks if one is not sink)
        change = Transition(
            name=type(sink).__name__,
            state=ReporterState.DROPPED,
            detail=f"{type(error).__name__} at {place_of(error)}; it is told no more",
        )
        with suppress(Exception):
            sink.changed(change)  # it may well be able to: the log may be the only one there is
        self.changed(change)


def place_of(error: BaseException) -> str:
    """Return where an exception arose: its last three frames, never its text."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames))
