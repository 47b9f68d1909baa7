"""Who takes reports: nobody has to, and nobody who does can harm a call."""

from collections.abc import Callable

import pytest
from typing_extensions import override

from llmsvc_server.reports import (
    AttemptEnd,
    AttemptReport,
    DrainState,
    FanOut,
    Reporter,
    ReporterState,
    RpcReport,
    RpcStart,
    Transition,
)
from tests.fakes.listening_reporter import ListeningReporter
from tests.fakes.scripted_provider import LOCAL_OLLAMA

START = RpcStart(method="/m", request_id="req-1")
CHANGE = Transition(name="server", state=DrainState.DRAINED)
END = RpcReport(
    method="/m",
    request_id="req-1",
    code="OK",
    reason="",
    cause="",
    duration_s=1.0,
    first_content_s=None,
    messages_sent=1,
    attempts=1,
    route=None,
    usage=None,
    detail="",
)
ATTEMPT = AttemptReport(
    provider=LOCAL_OLLAMA,
    model="m",
    end=AttemptEnd.ANSWERED,
    duration_s=1.0,
    first_content_s=0.5,
)


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


class FailingAtAll(Reporter):
    """Raises at whatever it is told."""

    @override
    def rpc_started(self, start: RpcStart) -> None:
        raise ValueError

    @override
    def rpc_finished(self, report: RpcReport) -> None:
        raise ValueError

    @override
    def attempt_finished(self, report: AttemptReport) -> None:
        raise ValueError

    @override
    def changed(self, change: Transition) -> None:
        raise ValueError


@pytest.mark.parametrize(
    "report",
    [
        lambda to: to.rpc_started(START),
        lambda to: to.rpc_finished(END),
        lambda to: to.attempt_finished(ATTEMPT),
        lambda to: to.changed(CHANGE),
    ],
    ids=["a start", "an end", "an attempt", "a change"],
)
def test_whatever_is_reported_a_sink_that_raises_costs_nobody_anything(
    report: Callable[[Reporter], None],
) -> None:
    good = ListeningReporter()
    reporter = FanOut(FailingAtAll(), good)
    report(reporter)
    dropped = [one for one in good.changes if one.state is ReporterState.DROPPED]

    assert 2 == len(good.starts) + len(good.rpcs) + len(good.finished) + len(good.changes)
    assert ["FailingAtAll"] == [one.name for one in dropped]
