"""Reports as log lines: one canonical line per call, one per failed attempt, changes once."""

import time

from typing_extensions import override

from llmsvc_server.chat.deadline import Clock
from llmsvc_server.failures import ErrorKind
from llmsvc_server.observability.call_line import describe_call
from llmsvc_server.observability.logging import Logger, request_id
from llmsvc_server.reports import (
    AttemptReport,
    BlockState,
    BreakerState,
    ConnectionsState,
    DrainState,
    HealthState,
    LoadState,
    ModelsState,
    PollState,
    Reporter,
    RpcReport,
    RpcStart,
    State,
    Transition,
)

WARNING_CODES = frozenset(
    (
        "UNAVAILABLE",
        "RESOURCE_EXHAUSTED",
        "DEADLINE_EXCEEDED",
        "ABORTED",
        "FAILED_PRECONDITION",
        "NOT_FOUND",
    )
)


GOOD_STATES: frozenset[State] = frozenset(
    (
        HealthState.SERVING,
        PollState.REACHABLE,
        ModelsState.COMPLETE,
        BreakerState.CLOSED,
        BreakerState.HALF_OPEN,
        BlockState.FREE,
        ConnectionsState.FREE,
        LoadState.LOADING,
        LoadState.LOADED,
        LoadState.GIVEN_UP,
        LoadState.FREED,
        *DrainState,
    )
)


SHORTAGE_S = 60.0
"""How long this process must have lacked nothing before a lack is told anew."""

REMEDIES = {
    "descriptors": "no file descriptor is left: raise the limit on open files (ulimit -n,"
    " LimitNOFILE), or lower server.max_chats",
    "memory": "the system has no memory left for connections: give it more, or lower"
    " server.max_chats",
    "unfinished": "what providers have begun to send and not ended fills its place: look for one that"
    " sends lines of megabytes",
}


class LogSink(Reporter):
    """A Reporter that writes log lines. Never prompt, answer or upstream text."""

    def __init__(self, logger: Logger, clock: Clock = time.monotonic) -> None:
        """Write to `logger`; `clock` counts seconds."""
        self._logger = logger
        self._clock = clock
        self._lacked_s = float("-inf")

    @override
    def rpc_started(self, start: RpcStart) -> None:
        """Put the request id on every line of this call."""
        request_id.set(start.request_id)

    @override
    def rpc_finished(self, report: RpcReport) -> None:
        """Write the call's one line."""
        line = describe_call(report)
        if report.code == "INTERNAL":
            self._logger.error("rpc.finished", line=line)
        elif report.code in WARNING_CODES:
            self._logger.warning("rpc.finished", line=line)
        else:
            self._logger.info("rpc.finished", line=line)

    @override
    def attempt_finished(self, report: AttemptReport) -> None:
        """Write one that failed; once for all of those that this process is to blame for."""
        error = report.error
        if error is None:
            return
        if error.kind is ErrorKind.EXHAUSTED:
            self._report_shortage(error.cause)
            return
        facts = {
            "endpoint": error.endpoint,
            "row": error.row,
            "http_status": error.status,
            "code": error.code,
            "phase": error.phase,
            "cause": error.cause,
            "written_tokens": report.written_tokens or None,
            "retry_after_s": _round_s(error.retry_after_s),
            "first_content_ms": _round_ms(report.first_content_s),
        }
        violated = error.kind is ErrorKind.VIOLATION
        level = self._logger.critical if violated else self._logger.warning
        level(
            "attempt.failed",
            provider=report.provider.name,
            model=report.model,
            locality=report.provider.locality.value,
            error=error.kind.value,
            duration_ms=_round_ms(report.duration_s),
            called=error.called,
            **{name: fact for name, fact in facts.items() if fact not in ("", None)},
        )

    def _report_shortage(self, lack: str) -> None:
        now_s = self._clock()
        if now_s - self._lacked_s >= SHORTAGE_S:
            self._logger.error("server.exhausted", remedy=REMEDIES.get(lack, ""))
        self._lacked_s = now_s

    @override
    def changed(self, change: Transition) -> None:
        """Write one lasting change."""
        level = self._logger.info if change.state in GOOD_STATES else self._logger.warning
        detail = {"detail": change.detail} if change.detail else {}
        level(f"{change.subject}.changed", name=change.name, state=change.state.value, **detail)


def _round_ms(length_s: float | None) -> float | None:
    return None if length_s is None else round(length_s * 1000, 1)


def _round_s(length_s: float | None) -> float | None:
    return None if length_s is None else round(length_s, 3)
