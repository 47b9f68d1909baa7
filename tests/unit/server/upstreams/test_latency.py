import dataclasses

import pytest

from llmsvc_server.chat.request import Delivery
from llmsvc_server.chat.usage import Usage
from llmsvc_server.upstreams.latency import MAX_ANSWERS, MAX_MODELS, MAX_PROMPTS, LatencyStats
from tests.fakes.manual_clock import ManualClock
from tests.fakes.requests import limits_of
from tests.fakes.scripted_provider import LOCAL_OLLAMA, done
from tests.fakes.upstreams import MODEL
from tests.unit.server.upstreams.upstreams import CLOUD, Bench


def answer(
    stats: LatencyStats,
    *,
    first_s: float | None = 1,
    total_s: float = 1,
    usage: Usage = Usage(),  # noqa: B008  frozen
    prompt_s: float | None = None,
) -> None:
    """Let an answer be noted."""
    end = dataclasses.replace(done(), usage=usage)
    timings = dataclasses.replace(end.timings, prompt_s=prompt_s)
    end = dataclasses.replace(end, timings=timings)
    stats.take_answer("m", end, first_s=first_s, total_s=total_s)


def read(stats: LatencyStats, *, tokens: int, took_s: float) -> None:
    """Let a prompt of so many tokens have been read."""
    answer(stats, usage=Usage(input_tokens=tokens), prompt_s=took_s)


def test_of_a_model_that_never_answered_only_the_least_is_known() -> None:
    stats = LatencyStats(2)

    assert (2, 2) == (stats.min_s("m", Delivery.STREAM), stats.min_s("m", Delivery.WHOLE))
    assert 0 == stats.first_s("m")
    assert 10 == stats.reading_s("m", 1_000)


def test_an_attempt_needs_what_answers_took_in_the_middle() -> None:
    stats = LatencyStats(1)
    for first_token_s, total_s in ((2, 20), (4, 40), (90, 900)):
        answer(stats, first_s=first_token_s, total_s=total_s)

    assert (4, 40) == (stats.min_s("m", Delivery.STREAM), stats.min_s("m", Delivery.WHOLE))
    assert (4, 40) == (stats.first_s("m"), stats.min_s("m", Delivery.WHOLE))


def test_never_less_than_the_least() -> None:
    stats = LatencyStats(1)
    answer(stats, first_s=0.1, total_s=0.2)

    assert (1, 1) == (stats.min_s("m", Delivery.STREAM), stats.min_s("m", Delivery.WHOLE))


def test_the_slowest_of_the_last_prompts_is_what_reading_takes() -> None:
    stats = LatencyStats(1)
    read(stats, tokens=100, took_s=3)
    read(stats, tokens=100, took_s=2)
    slowest_s = stats.reading_s("m", 1_000)
    for _ in range(MAX_PROMPTS):
        read(stats, tokens=100, took_s=2)

    assert (30, 20) == (slowest_s, stats.reading_s("m", 1_000))


def test_impossible_speeds_of_cached_prompts_are_not_believed() -> None:
    stats = LatencyStats(1)
    read(stats, tokens=100_000, took_s=0.001)

    assert 10 == stats.reading_s("m", 1_000)


def test_silences_double_the_patience_up_to_eight_times_until_an_answer() -> None:
    stats = LatencyStats(1)
    doubled_s = []
    for _ in range(5):
        stats.take_silence("m")
        doubled_s.append(stats.reading_s("m", 100))
    answer(stats, first_s=1, total_s=1)

    assert [2, 4, 8, 8, 8] == doubled_s
    assert 1 == stats.reading_s("m", 100)


def test_old_answers_are_forgotten() -> None:
    stats = LatencyStats(1)
    answer(stats, first_s=1_000, total_s=1_000)
    for _ in range(2 * MAX_ANSWERS):
        answer(stats, first_s=3, total_s=5)

    assert MAX_ANSWERS == len(stats._models["m"].firsts_s)  # noqa: SLF001  memory is asked


def test_not_every_model_is_remembered_for_ever() -> None:
    stats = LatencyStats(1)
    for number in range(2 * MAX_MODELS):
        stats.take_silence(f"model-{number}")

    assert MAX_MODELS == len(stats._models)  # noqa: SLF001  memory is what is asked


def test_an_empty_answers_first_content_is_its_end() -> None:
    stats = LatencyStats(0)
    answer(stats, first_s=None, total_s=2)

    assert 2 == stats.min_s("m", Delivery.STREAM)


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
def test_how_fast_it_reads_is_learned_from_what_was_not_cached(
    usage: Usage, prompt_s: float | None, expected_s: float
) -> None:
    stats = LatencyStats(0)
    answer(stats, usage=usage, prompt_s=prompt_s)

    assert expected_s == stats.reading_s("m", 1_000)


def test_queues_move_by_the_mean_and_are_left_by_the_median_of_at_least_a_second() -> None:
    stats = LatencyStats(0)
    unknown = [stats.answer_s("m"), stats.mean_answer_s("m")]
    for total_s in (2, 4, 90):
        answer(stats, total_s=total_s)

    assert [1, 1] == unknown
    assert [4, 32] == [stats.answer_s("m"), stats.mean_answer_s("m")]


def test_it_says_how_fast_each_model_is() -> None:
    stats = LatencyStats(0)
    nothing = repr(stats)
    answer(stats, first_s=2)

    assert "<LatencyStats: nothing known>" == nothing
    assert "<LatencyStats: m 2.00 s>" == repr(stats)


@pytest.mark.parametrize(
    ("loaded", "reads_prompts", "limit_s"),
    [(True, True, 60.0), (True, False, 30.0), (False, True, 300.0)],
)
async def test_the_first_content_may_take(
    *, loaded: bool, reads_prompts: bool, limit_s: float
) -> None:
    bench = Bench(first_token_s=30, cold_s=300, info=LOCAL_OLLAMA if reads_prompts else CLOUD)
    bench.facts[0].in_memory = loaded

    # 1000 tokens at 10 ms each, three times over, where reading shows.
    assert limit_s == bench.upstream.timeouts.limit_s(MODEL, 1000)


@pytest.mark.parametrize(("loaded", "limit_s"), [(True, 150.0), (False, 300.0)])
async def test_where_tools_are_offered_it_may_take_longer(*, loaded: bool, limit_s: float) -> None:
    bench = Bench(first_token_s=30, with_tools_s=120, cold_s=300)
    bench.facts[0].in_memory = loaded

    assert limit_s == bench.upstream.timeouts.limit_s(MODEL, 1000, with_tools=True)


async def test_an_attempt_needs_its_usual_first_content_and_never_less_than_half_a_second() -> None:
    given = Bench().upstream.timeouts
    before_s = given.floor_s("m")
    answer(given.latency, first_s=4.0, total_s=9.0)

    assert (0.5, 4.0) == (before_s, given.floor_s("m"))
    assert (4.0, 9.0) == (
        given.latency.min_s("m", Delivery.STREAM),
        given.latency.min_s("m", Delivery.WHOLE),
    )


@pytest.mark.parametrize(("waited_s", "left_s", "whole"), [(20.0, 30.0, True), (80.0, 20.0, False)])
async def test_after_a_wait_the_time_begins_anew_within_the_same_end(
    waited_s: float, left_s: float, *, whole: bool
) -> None:
    clock = ManualClock()
    limits = limits_of(100.0, first_token_s=30.0, clock=clock)
    clock.advance(waited_s)
    renewed = Bench(first_token_s=30, info=CLOUD).upstream.timeouts.renew(limits, MODEL, 1)

    assert left_s == renewed.first_token_by.remaining_s()
    assert whole is renewed.is_full_length
    assert limits.finish_by == renewed.finish_by


async def test_after_a_wait_tools_are_waited_for_as_long_as_before() -> None:
    limits = limits_of(300.0, first_token_s=30.0, clock=ManualClock())
    timeouts = Bench(first_token_s=30, with_tools_s=120, info=CLOUD).upstream.timeouts
    renewed = timeouts.renew(limits, MODEL, 1, with_tools=True)

    assert 120 == renewed.first_token_by.remaining_s()
