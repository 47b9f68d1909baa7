"""A `Reporter` that keeps what it is told, in order."""

from llmsvc_server.reports import AttemptReport, RpcReport, RpcStart, Transition


class ListeningReporter:
    """Keeps the reports in lists: `starts`, `rpcs`, `attempts` and `changes`."""

    def __init__(self) -> None:
        """Have heard nothing yet."""
        self.starts: list[RpcStart] = []
        self.rpcs: list[RpcReport] = []
        self.attempts: list[AttemptReport] = []
        self.changes: list[Transition] = []

    def rpc_started(self, start: RpcStart) -> None:
        """Keep one beginning call."""
        self.starts.append(start)

    def rpc_finished(self, report: RpcReport) -> None:
        """Keep one finished call."""
        self.rpcs.append(report)

    def attempt_failed(self, report: AttemptReport) -> None:
        """Keep one failed attempt."""
        self.attempts.append(report)

    def changed(self, change: Transition) -> None:
        """Keep one lasting change."""
        self.changes.append(change)
