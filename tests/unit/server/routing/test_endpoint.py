import asyncio

import pytest

from llmsvc_server.chat.events import Delta, Phase, Waiting
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import BreakerState as State
from llmsvc_server.routing.breaker import STREAK
from tests.fakes.gate import Gate
from tests.fakes.scripted_provider import done
from tests.unit.server.routing.endpoints import MODEL, Bench, silent, unreachable


async def test_an_answer_passes_after_the_word_that_it_is_waited_for() -> None:
    bench = Bench()
    bench.inner.will(Delta(""), Delta("a"), done())

    assert [Waiting(Phase.PROVIDER), Delta(""), Delta("a"), done()] == await bench.answer()


def test_places_are_bounded_in_all_and_per_model() -> None:
    bench = Bench(places=3, places_per_model=2)
    taken = [bench.place(), bench.place()]
    of_model = bench.endpoint.reserve(MODEL, only_candidate=False)
    taken.append(bench.place(model="n"))
    in_all = bench.endpoint.reserve("o", only_candidate=False)
    load = bench.endpoint.load
    for place in taken:
        place.give_back()
        place.give_back()

    assert (None, None, 1.0) == (of_model, in_all, load)
    assert (0, 0, 0) == (
        bench.endpoint.in_flight,
        bench.endpoint.running(MODEL),
        bench.endpoint.load,
    )


async def test_failures_open_the_models_breaker_and_say_why() -> None:
    bench = Bench()
    await bench.trip(ErrorKind.TRANSIENT)
    refusal = bench.endpoint.refusal(MODEL, only_candidate=False)

    assert (State.CLOSED, State.OPEN) == (bench.connecting.state, bench.answering.state)
    assert [("ollama/m", "open", "transient")] == bench.turns
    assert isinstance(refusal, ProviderError)
    assert refusal.kind is ErrorKind.OPEN
    assert (10, False, "ollama") == (refusal.retry_after_s, refusal.called, refusal.endpoint)
    assert bench.endpoint.refusal("other", only_candidate=False) is None
    assert bench.endpoint.reserve(MODEL, only_candidate=False) is None


async def test_failures_to_connect_open_the_endpoints_breaker_for_all_models() -> None:
    bench = Bench()
    for _ in range(STREAK):
        await bench.count(unreachable())

    assert (State.OPEN, State.CLOSED) == (bench.connecting.state, bench.answering.state)
    assert [("ollama", "open", "connect")] == bench.turns
    assert bench.endpoint.refusal("other", only_candidate=False) is not None


@pytest.mark.parametrize(
    "error",
    [silent(), ProviderError(ErrorKind.LOAD_FAILED), ProviderError(ErrorKind.SILENT, phase="idle")],
)
async def test_what_took_its_time_keeps_it_open_longer(error: ProviderError) -> None:
    bench = Bench()
    for _ in range(STREAK):
        await bench.count(error)
    refusal = bench.endpoint.refusal(MODEL, only_candidate=False)

    assert refusal is not None
    assert 30 == refusal.retry_after_s


async def test_an_upstream_that_is_not_what_it_claims_counts() -> None:
    bench = Bench()
    await bench.trip(ErrorKind.PROTOCOL)

    assert State.OPEN is bench.answering.state


NEUTRAL = [
    ErrorKind.CALLER,
    ErrorKind.CONTENT,
    ErrorKind.RATE_LIMIT,
    ErrorKind.QUOTA,
    ErrorKind.CREDENTIAL,
    ErrorKind.MODEL_MISSING,
    ErrorKind.COLD_LOAD,
    ErrorKind.SATURATED,
]


@pytest.mark.parametrize("kind", NEUTRAL)
async def test_a_thousand_failures_that_say_nothing_of_its_health_open_nothing(
    kind: ErrorKind,
) -> None:
    bench = Bench()
    for _ in range(1_000):
        bench.clock.advance(1_000)  # past every block
        await bench.count(ProviderError(kind))

    assert (State.CLOSED, State.CLOSED) == (bench.connecting.state, bench.answering.state)
    assert [] == bench.turns


async def test_a_silence_that_was_cut_short_says_nothing() -> None:
    bench = Bench()
    for _ in range(STREAK):
        told = await bench.failure(silent(), is_full_length=False)
        assert told.verdict is None

    assert not bench.endpoint.troubled


async def test_a_gap_counts_however_little_patience_there_was() -> None:
    bench = Bench()
    told = await bench.failure(ProviderError(ErrorKind.SILENT, phase="idle"), is_full_length=False)

    assert told.verdict is not None


async def test_a_failure_says_where_it_was() -> None:
    assert "ollama" == (await Bench().failure(ProviderError(ErrorKind.TRANSIENT))).endpoint


async def test_nothing_counts_before_the_call_is_over() -> None:
    bench = Bench()
    failures = [await bench.failure(ProviderError(ErrorKind.TRANSIENT)) for _ in range(STREAK)]
    before = bench.answering.state
    for failure in failures:
        assert failure.verdict is not None
        failure.verdict.count()
        failure.verdict.count()

    assert (State.CLOSED, State.OPEN) == (before, bench.answering.state)


async def test_a_retry_at_the_same_endpoint_takes_the_first_failure_back() -> None:
    bench = Bench()
    for _ in range(STREAK):
        first = await bench.failure(ProviderError(ErrorKind.TRANSIENT))
        second = await bench.failure(ProviderError(ErrorKind.TRANSIENT), earlier=first.verdict)
        for failure in (first, second):
            assert failure.verdict is not None
            failure.verdict.count()
        if bench.answering.state is State.OPEN:
            break
    else:
        raise AssertionError("it never opened")
    opened_at = len(bench.inner.calls)

    assert 2 * STREAK == opened_at


async def test_a_retry_that_answers_leaves_no_failure() -> None:
    bench = Bench()
    for _ in range(2 * STREAK):
        first = await bench.failure(ProviderError(ErrorKind.TRANSIENT))
        await bench.answer(earlier=first.verdict)
        assert first.verdict is not None
        first.verdict.count()

    assert State.CLOSED is bench.answering.state


async def test_a_retry_that_is_cancelled_leaves_the_first_failure() -> None:
    bench = Bench()
    for _ in range(STREAK):
        first = await bench.failure(ProviderError(ErrorKind.TRANSIENT))
        gate = Gate()
        bench.inner.will(gate)
        async with asyncio.TaskGroup() as group:
            retry = group.create_task(bench.answer(earlier=first.verdict))
            await gate.reached()
            retry.cancel()
        assert first.verdict is not None
        first.verdict.count()

    assert State.OPEN is bench.answering.state


async def test_a_retry_that_cannot_connect_leaves_what_the_model_did() -> None:
    bench = Bench()
    first = await bench.failure(ProviderError(ErrorKind.TRANSIENT))
    second = await bench.failure(unreachable(), earlier=first.verdict)
    third = await bench.failure(ProviderError(ErrorKind.TRANSIENT), earlier=second.verdict)
    for _ in range(STREAK - 1):
        await bench.count(ProviderError(ErrorKind.TRANSIENT))
    assert first.verdict is not None
    assert second.verdict is not None
    first.verdict.count()

    assert State.OPEN is bench.answering.state
    assert third.verdict is not None


async def test_a_failure_elsewhere_is_not_taken_back() -> None:
    bench, elsewhere = Bench(), Bench()
    for _ in range(STREAK):
        first = await elsewhere.failure(ProviderError(ErrorKind.TRANSIENT))
        await bench.answer(earlier=first.verdict)
        assert first.verdict is not None
        first.verdict.count()

    assert State.OPEN is elsewhere.answering.state


async def test_an_answer_from_an_endpoint_resets_its_connections_too() -> None:
    bench = Bench()
    for _ in range(STREAK):
        await bench.count(unreachable())
        await bench.count(unreachable())
        for _ in range(5):
            await bench.count(ProviderError(ErrorKind.CALLER))

    assert State.CLOSED is bench.connecting.state


async def test_verdicts_that_waited_while_others_were_answered_open_nothing() -> None:
    bench = Bench()
    verdicts = [
        (await bench.failure(ProviderError(ErrorKind.TRANSIENT))).verdict for _ in range(STREAK)
    ]
    bench.inner.will(Delta("a"), done())
    await bench.answer()
    for verdict in verdicts:
        assert verdict is not None
        verdict.count()

    assert State.CLOSED is bench.answering.state
