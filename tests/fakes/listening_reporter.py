"""A `Reporter` that keeps what it is told, in order."""

from typing_extensions import override

from llmsvc_server.reports import AttemptReport, Reporter, RpcReport, RpcStart, Transition


class ListeningReporter(Reporter):
    """Keeps the reports in lists: `starts`, `rpcs`, `finished` and `changes`.

    Of the `finished` attempts those that failed are `attempts`.
    """

    def __init__(self) -> None:
        """Have heard nothing yet."""
        self.starts: list[RpcStart] = []
        self.rpcs: list[RpcReport] = []
        self.finished: list[AttemptReport] = []
        self.changes: list[Transition] = []

    @property
    def attempts(self) -> list[AttemptReport]:
        """Those that failed."""
        return [one for one in self.finished if one.error is not None]

    @override
    def rpc_started(self, start: RpcStart) -> None:
        """Keep one beginning call."""
        self.starts.append(start)

    @override
    def rpc_finished(self, report: RpcReport) -> None:
        """Keep one finished call."""
        self.rpcs.append(report)

    @override
    def attempt_finished(self, report: AttemptReport) -> None:
        """Keep one attempt that is over."""
        self.finished.append(report)

    @override
    def changed(self, change: Transition) -> None:
        """Keep one lasting change."""
        self.changes.append(change)
