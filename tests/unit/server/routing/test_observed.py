from contextlib import aclosing
from dataclasses import replace

import pytest

from llmsvc_server.chat.events import Delta, Phase, Waiting
from llmsvc_server.chat.request import Delivery
from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.errors import ProviderError, ShuttingDown
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import AttemptEnd
from llmsvc_server.routing.observed import Observed
from llmsvc_server.routing.pace import Pace
from tests.fakes.listening_reporter import ListeningReporter
from tests.fakes.manual_clock import ManualClock
from tests.fakes.requests import chat_request, limits_of
from tests.fakes.scripted_provider import ScriptedProvider, Step, done


class Bench:
    """A watched provider that does `steps`, and what is learned from it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.reporter = ListeningReporter()
        self.pace = Pace(least_s=0)
        self.inner = ScriptedProvider()
        self.provider = Observed(
            self.inner, pace=self.pace, reporter=self.reporter, clock=self.clock
        )

    def takes(self, length_s: float) -> Step:
        """Return a step that takes so many seconds."""
        return lambda: self.clock.advance(length_s)

    async def read(self, *steps: Step, is_full_length: bool = True) -> list[object]:
        self.inner.will(*steps)
        limits = replace(limits_of(), is_full_length=is_full_length)
        request = chat_request(model="m")
        async with aclosing(self.provider.stream_chat(request, limits)) as events:
            return [event async for event in events]

    async def failure(self, *steps: Step, is_full_length: bool = True) -> ProviderError:
        with pytest.raises(ProviderError) as raised:
            await self.read(*steps, is_full_length=is_full_length)
        return raised.value


async def test_a_failed_attempt_is_reported_once_with_who_what_and_how_long() -> None:
    bench = Bench()
    error = await bench.failure(
        bench.takes(2),
        Delta("12345"),
        bench.takes(3),
        ProviderError(ErrorKind.TRANSIENT, row="O12", status=500),
    )
    (report,) = bench.reporter.attempts

    assert (bench.inner.info, "m", error) == (report.provider, report.model, report.error)
    assert AttemptEnd.FAILED is report.end
    assert (5, 2) == (report.duration_s, report.first_content_s)
    assert (5, 2) == (error.elapsed_s, error.written_tokens)


async def test_an_answer_is_reported_once_it_is_over() -> None:
    bench = Bench()
    events = await bench.read(bench.takes(2), Delta("a"), bench.takes(3), done())
    (report,) = bench.reporter.finished

    assert [Delta("a"), done()] == events
    assert (bench.provider.info, "m", None) == (report.provider, report.model, report.error)
    assert (AttemptEnd.ANSWERED, 5, 2) == (report.end, report.duration_s, report.first_content_s)


@pytest.mark.parametrize(
    ("taken", "end"), [(1, AttemptEnd.LEFT), (2, AttemptEnd.ANSWERED)], ids=["before", "after"]
)
async def test_who_leaves_before_the_end_leaves_an_attempt_that_is_over(
    taken: int, end: AttemptEnd
) -> None:
    bench = Bench()
    bench.inner.will(Delta("a"), done())
    async with aclosing(bench.provider.stream_chat(chat_request(), limits_of())) as events:
        for _ in range(taken):
            await anext(events)
    (report,) = bench.reporter.finished

    assert (end, None) == (report.end, report.error)


async def test_how_fast_it_is_counts_from_when_it_was_asked() -> None:
    bench = Bench()
    await bench.read(
        Waiting(Phase.QUEUED),
        bench.takes(100),
        Waiting(Phase.PROVIDER),
        bench.takes(2),
        Delta(""),
        bench.takes(1),
        Delta("a"),
        bench.takes(4),
        Delta("b"),
        done(),
    )

    assert (3, 7) == (bench.pace.usual_first_s("m"), bench.pace.least_s("m", Delivery.WHOLE))


async def test_an_empty_answers_first_content_is_its_end() -> None:
    bench = Bench()
    await bench.read(bench.takes(2), done())

    assert 2 == bench.pace.least_s("m", Delivery.STREAM)


@pytest.mark.parametrize(
    ("usage", "prompt_s", "expected_s"),
    [
        (Usage(input_tokens=100), 5.0, 50),
        (Usage(input_tokens=200, cached_input_tokens=100), 5.0, 50),
        (Usage(input_tokens=100, cached_input_tokens=100), 5.0, 10),
        (Usage(input_tokens=100), None, 10),
        (Usage(), 5.0, 10),
    ],
)
async def test_how_fast_it_reads_is_learned_from_what_was_not_cached(
    usage: Usage, prompt_s: float | None, expected_s: float
) -> None:
    bench = Bench()
    end = replace(done(FinishReason.STOP), usage=usage)
    end.timings.prompt_s = prompt_s
    await bench.read(end)

    assert expected_s == bench.pace.reading_s("m", 1_000)


@pytest.mark.parametrize(
    ("phase", "is_full_length", "expected_s"),
    [("first_token", True, 20), ("first_token", False, 10), ("idle", True, 10)],
)
async def test_only_a_whole_silence_asks_for_more_patience(
    phase: str, *, is_full_length: bool, expected_s: float
) -> None:
    bench = Bench()
    await bench.failure(ProviderError(ErrorKind.SILENT, phase=phase), is_full_length=is_full_length)

    assert expected_s == bench.pace.reading_s("m", 1_000)


@pytest.mark.parametrize("other", [GeneratorExit, ShuttingDown, ValueError])
async def test_an_end_that_is_not_the_providers_is_no_failure(other: type[BaseException]) -> None:
    bench = Bench()
    with pytest.raises(other):
        await bench.read(other())
    (report,) = bench.reporter.finished

    assert (AttemptEnd.LEFT, None) == (report.end, report.error)
