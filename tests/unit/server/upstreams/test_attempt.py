"""What is reported of an attempt, and learned from it."""

from contextlib import aclosing
from dataclasses import replace

import pytest

from llmsvc_server.chat.events import Delta
from llmsvc_server.chat.request import Delivery
from llmsvc_server.errors import ProviderError, ShuttingDown
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import AttemptEnd, AttemptReport
from llmsvc_server.upstreams.verdicts import Verdicts
from tests.fakes.requests import limits_of
from tests.fakes.scripted_provider import Step, done
from tests.fakes.upstreams import MODEL
from tests.unit.server.upstreams.upstreams import Bench


def takes(bench: Bench, length_s: float) -> Step:
    """Return a step that takes so many seconds."""
    return lambda: bench.clock.advance(length_s)


def report_of(bench: Bench) -> AttemptReport:
    """Return the only report there is."""
    (report,) = bench.reporter.finished
    return report


async def test_a_failed_attempt_is_reported_once_with_who_what_and_how_long() -> None:
    bench = Bench()
    failed = ProviderError(ErrorKind.TRANSIENT, row="O12", status=500)
    bench.adapter.will(takes(bench, 2), Delta("12345"), takes(bench, 3), failed)
    error = await bench.failure()
    report = report_of(bench)

    assert (bench.upstream.info, "m", error) == (report.provider, report.model, report.error)
    assert AttemptEnd.FAILED is report.end
    assert (5, 2) == (report.duration_s, report.first_content_s)
    assert 2 == report.written_tokens
    assert ("O12", 500, "ollama") == (error.row, error.status, error.endpoint)


async def test_what_is_not_even_called_is_reported_too() -> None:
    bench = Bench()
    bench.facts[0].known.clear()
    error = await bench.failure()
    report = report_of(bench)

    assert (AttemptEnd.FAILED, error) == (report.end, report.error)
    assert (ErrorKind.CONNECT, False) == (error.kind, error.called)


async def test_an_answer_is_reported_once_it_is_over() -> None:
    bench = Bench()
    bench.adapter.will(takes(bench, 2), Delta("a"), takes(bench, 3), done())
    events = await bench.read()
    report = report_of(bench)

    assert [Delta("a"), done()] == events
    assert (bench.upstream.info, "m", None) == (report.provider, report.model, report.error)
    assert (AttemptEnd.ANSWERED, 5, 2) == (report.end, report.duration_s, report.first_content_s)


@pytest.mark.parametrize(
    ("taken", "end"), [(1, AttemptEnd.LEFT), (2, AttemptEnd.ANSWERED)], ids=["before", "after"]
)
async def test_who_leaves_before_the_end_leaves_an_attempt_that_is_over(
    taken: int, end: AttemptEnd
) -> None:
    bench = Bench()
    bench.adapter.will(Delta("a"), done())
    async with aclosing(bench.run()) as events:
        for _ in range(taken):
            await anext(events)
    report = report_of(bench)

    assert (end, None) == (report.end, report.error)


@pytest.mark.parametrize("other", [GeneratorExit, ShuttingDown, ValueError])
async def test_an_end_that_is_not_the_providers_is_no_failure(other: type[BaseException]) -> None:
    bench = Bench()
    bench.adapter.will(other())
    with pytest.raises(other):
        await bench.read()
    report = report_of(bench)

    assert (AttemptEnd.LEFT, None) == (report.end, report.error)
    assert 0 == bench.upstream.in_flight


async def test_what_its_reader_finds_wrong_ends_it_like_a_failure_of_its_own() -> None:
    bench, verdicts = Bench(), Verdicts()
    events = bench.run(verdicts=verdicts)
    await anext(events)
    with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL) as raised:
        await events.athrow(ProviderError(ErrorKind.PROTOCOL, phase="stream"))

    assert "ollama" == raised.value.endpoint
    assert [bench.answering] == list(verdicts)
    assert AttemptEnd.FAILED is report_of(bench).end


async def test_how_fast_it_is_counts_from_when_it_was_asked() -> None:
    bench = Bench()
    receipt = bench.receipt()
    bench.clock.advance(100)  # a wait for a load, say
    bench.adapter.will(takes(bench, 3), Delta("a"), takes(bench, 4), Delta("b"), done())
    await bench.read(receipt=receipt)
    timeouts = bench.upstream.timeouts

    assert (3, 7) == (timeouts.floor_s(MODEL), timeouts.latency.min_s(MODEL, Delivery.WHOLE))


@pytest.mark.parametrize(
    ("phase", "is_full_length", "expected_s"),
    [("first_token", True, 20), ("first_token", False, 10), ("idle", True, 10)],
)
async def test_only_a_whole_silence_asks_for_more_time(
    phase: str, *, is_full_length: bool, expected_s: float
) -> None:
    bench = Bench()
    limits = replace(limits_of(), is_full_length=is_full_length)
    await bench.failure(ProviderError(ErrorKind.SILENT, phase=phase), limits=limits)

    assert expected_s == bench.upstream.timeouts.latency.reading_s("m", 1_000)


async def test_an_upstream_says_what_runs_and_waits_where() -> None:
    bench = Bench()
    idle = repr(bench.upstream)
    async with aclosing(bench.run(caller="10.0.0.1")) as events:
        await anext(events)
        (lease,) = bench.endpoint.leases(MODEL)
        said = repr(lease), repr(bench.upstream)
        turn = bench.adapter.calls[0].limits.turn
        assert turn is not None
        turn.over()
        free = repr(lease)
    bench.upstream.close()

    assert "<Lease of m at ollama>" == said[0]
    assert "<Lease of m at ollama, place free>" == free
    assert "<WaitQueue: m 0 wait 1 run>" in said[1]
    assert "<WaitQueue: idle>" in idle
    assert "closed" in repr(bench.upstream)
