"""Who takes reports: nobody has to, and nobody who does can harm a call."""

from collections.abc import Callable

import pytest
from typing_extensions import override

from llmsvc_server.reports import (
    DrainState,
    FanOut,
    Reporter,
    ReporterState,
    RpcStart,
    Transition,
)
from tests.fakes.listening_reporter import ListeningReporter

START = RpcStart(method="/m", request_id="req-1")
CHANGE = Transition(name="server", state=DrainState.DRAINED)


class Failing(ListeningReporter):
    """Raises at every report, after it has kept it."""

    @override
    def rpc_started(self, start: RpcStart) -> None:
        super().rpc_started(start)
        raise ValueError("secret")

    @override
    def changed(self, change: Transition) -> None:
        super().changed(change)
        raise ValueError("secret")


def test_every_sink_takes_every_report() -> None:
    first, second = ListeningReporter(), ListeningReporter()
    reporter = FanOut(first, Reporter(), second)
    reporter.rpc_started(START)
    reporter.changed(CHANGE)

    assert ([START], [CHANGE]) == (first.starts, first.changes)
    assert ([START], [CHANGE]) == (second.starts, second.changes)


@pytest.mark.parametrize("order", [lambda bad, good: (bad, good), lambda bad, good: (good, bad)])
def test_a_sink_that_raises_is_told_of_once_and_left_out(
    order: Callable[[Reporter, Reporter], tuple[Reporter, Reporter]],
) -> None:
    bad, good = Failing(), ListeningReporter()
    reporter = FanOut(*order(bad, good))
    reporter.rpc_started(START)
    reporter.rpc_started(START)
    (change,) = good.changes

    assert ([START], [START] * 2) == (bad.starts, good.starts)
    assert ("reporter", "Failing", ReporterState.DROPPED) == (
        change.subject,
        change.name,
        change.state,
    )
    assert change.detail.startswith("ValueError at ")
    assert "secret" not in change.detail
    assert "<FanOut: ListeningReporter>" == repr(reporter)


def test_sinks_that_all_raise_are_each_left_out_once() -> None:
    first, second, good = Failing(), Failing(), ListeningReporter()
    reporter = FanOut(first, second, good)
    reporter.rpc_started(START)
    reporter.rpc_started(START)

    assert 2 == len(good.changes)
    assert (1, 2) == (len(first.changes), len(second.changes))


def test_where_nobody_is_left_calls_go_on_and_the_last_one_was_told_of_itself() -> None:
    only = Failing()
    reporter = FanOut(only)
    reporter.rpc_started(START)
    reporter.rpc_started(START)

    assert "<FanOut: nobody>" == repr(reporter)
    assert ["Failing"] == [change.name for change in only.changes]
    assert [START] == only.starts
