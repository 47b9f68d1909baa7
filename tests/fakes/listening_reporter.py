"""A `Reporter` that keeps what it is told, in order."""

from typing_extensions import override

from llmsvc_server.reports import AttemptReport, Reporter, RpcReport, RpcStart, Transition


class ListeningReporter(Reporter):
    """Keeps the reports in lists: `starts`, `rpcs`, `attempts` and `changes`."""

    def __init__(self) -> None:
        """Have heard nothing yet."""
        self.starts: list[RpcStart] = []
        self.rpcs: list[RpcReport] = []
        self.attempts: list[AttemptReport] = []
        self.changes: list[Transition] = []

    @override
    def rpc_started(self, start: RpcStart) -> None:
        """Keep one beginning call."""
        self.starts.append(start)

    @override
    def rpc_finished(self, report: RpcReport) -> None:
        """Keep one finished call."""
        self.rpcs.append(report)

    @override
    def attempt_failed(self, report: AttemptReport) -> None:
        """Keep one failed attempt."""
        self.attempts.append(report)

    @override
    def changed(self, change: Transition) -> None:
        """Keep one lasting change."""
        self.changes.append(change)
