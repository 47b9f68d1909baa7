"""What failures say of an upstream's health: breakers, probes, blocks, trouble."""

import asyncio
from dataclasses import replace

import pytest

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import BreakerState as State
from llmsvc_server.upstreams.breaker import STREAK
from llmsvc_server.upstreams.endpoint import MAX_MODELS
from llmsvc_server.upstreams.verdicts import Verdicts
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.requests import limits_of
from tests.fakes.scripted_provider import done
from tests.fakes.upstreams import MODEL
from tests.unit.server.upstreams.upstreams import CLOUD, Bench, silent, unreachable


async def test_failures_open_the_models_breaker_and_say_why() -> None:
    bench = Bench()
    await bench.trip()
    refusal = bench.refusal()

    assert (State.CLOSED, State.OPEN) == (bench.connecting.state, bench.answering.state)
    assert [("ollama/m", "open", "transient")] == bench.turned
    assert isinstance(refusal, ProviderError)
    assert refusal.kind is ErrorKind.OPEN
    assert (10, False, "ollama") == (refusal.retry_after_s, refusal.called, refusal.endpoint)
    bench.facts[0].known.add("other")
    assert bench.refusal("other") is None


async def test_failures_to_connect_open_the_endpoints_breaker_for_all_models() -> None:
    bench = Bench()
    await bench.trip(unreachable())
    bench.facts[0].known.add("other")

    assert (State.OPEN, State.CLOSED) == (bench.connecting.state, bench.answering.state)
    assert [("ollama", "open", "connect")] == bench.turned
    assert bench.refusal("other") is not None


@pytest.mark.parametrize(
    "error",
    [silent(), ProviderError(ErrorKind.LOAD_FAILED), ProviderError(ErrorKind.SILENT, phase="idle")],
)
async def test_what_took_its_time_keeps_it_open_longer(error: ProviderError) -> None:
    bench = Bench()
    await bench.trip(error)
    refusal = bench.refusal()

    assert refusal is not None
    assert 30 == refusal.retry_after_s


async def test_an_upstream_that_is_not_what_it_claims_counts() -> None:
    bench = Bench()
    await bench.trip(ProviderError(ErrorKind.PROTOCOL))

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
    assert [] == bench.turned


async def test_a_silence_that_was_cut_short_says_nothing() -> None:
    bench = Bench()
    for _ in range(STREAK):
        verdicts: Verdicts = {}
        limits = replace(limits_of(), is_full_length=False)
        await bench.failure(silent(), limits=limits, verdicts=verdicts)
        assert {} == verdicts

    assert not bench.endpoint.is_troubled


async def test_a_gap_counts_however_little_time_there_was() -> None:
    bench, verdicts = Bench(), Verdicts()
    gap = ProviderError(ErrorKind.SILENT, phase="idle")
    await bench.failure(gap, limits=replace(limits_of(), is_full_length=False), verdicts=verdicts)

    assert [bench.answering] == list(verdicts)


async def test_what_was_ended_for_the_sake_of_others_says_nothing() -> None:
    bench, verdicts = Bench(), Verdicts()
    await bench.failure(ProviderError(ErrorKind.TRANSIENT, is_cut_short=True), verdicts=verdicts)

    assert {} == verdicts


async def test_a_failure_says_where_it_was() -> None:
    assert "ollama" == (await Bench().failure(ProviderError(ErrorKind.TRANSIENT))).endpoint


async def test_nothing_counts_before_the_call_is_over_and_then_once() -> None:
    bench = Bench()
    kept: list[Verdicts] = [{} for _ in range(STREAK)]
    for verdicts in kept:
        await bench.failure(ProviderError(ErrorKind.TRANSIENT), verdicts=verdicts)
    before = bench.answering.state
    for verdicts in kept:
        bench.upstream.count(verdicts)
        bench.upstream.count(verdicts)

    assert (State.CLOSED, State.OPEN) == (before, bench.answering.state)


async def test_a_retry_takes_the_first_failure_back() -> None:
    bench = Bench()
    for _ in range(STREAK):
        assert State.CLOSED is bench.answering.state
        verdicts: Verdicts = {}
        for _ in range(2):
            await bench.failure(ProviderError(ErrorKind.TRANSIENT), verdicts=verdicts)
        bench.upstream.count(verdicts)

    assert State.OPEN is bench.answering.state
    assert [2 * STREAK] == bench.calls


async def test_a_retry_that_answers_leaves_no_failure() -> None:
    bench = Bench()
    for _ in range(2 * STREAK):
        verdicts: Verdicts = {}
        await bench.failure(ProviderError(ErrorKind.TRANSIENT), verdicts=verdicts)
        await bench.read(verdicts=verdicts)
        assert {} == verdicts

    assert State.CLOSED is bench.answering.state


async def test_a_retry_whose_failure_says_nothing_takes_the_first_back_too() -> None:
    bench, verdicts = Bench(), Verdicts()
    await bench.failure(ProviderError(ErrorKind.TRANSIENT), verdicts=verdicts)
    await bench.failure(ProviderError(ErrorKind.CALLER), verdicts=verdicts)

    assert {} == verdicts


async def test_a_retry_that_is_cancelled_leaves_the_first_failure() -> None:
    bench = Bench()
    for _ in range(STREAK):
        verdicts: Verdicts = {}
        await bench.failure(ProviderError(ErrorKind.TRANSIENT), verdicts=verdicts)
        gate = Gate()
        bench.adapter.will(gate)
        async with asyncio.TaskGroup() as group:
            retry = group.create_task(bench.read(verdicts=verdicts))
            await gate.reached()
            retry.cancel()
        bench.upstream.count(verdicts)

    assert State.OPEN is bench.answering.state


async def test_a_retry_that_cannot_connect_leaves_what_the_model_did() -> None:
    bench, verdicts = Bench(), Verdicts()
    await bench.failure(ProviderError(ErrorKind.TRANSIENT), verdicts=verdicts)
    await bench.failure(unreachable(), verdicts=verdicts)
    both = set(verdicts)
    await bench.failure(ProviderError(ErrorKind.TRANSIENT), verdicts=verdicts)

    assert {bench.connecting, bench.answering} == both
    assert {bench.answering} == set(verdicts)


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
    kept: list[Verdicts] = [{} for _ in range(STREAK)]
    for verdicts in kept:
        await bench.failure(ProviderError(ErrorKind.TRANSIENT), verdicts=verdicts)
    await bench.read()
    for verdicts in kept:
        bench.upstream.count(verdicts)

    assert State.CLOSED is bench.answering.state


@pytest.mark.parametrize(
    ("error", "troubled"),
    [
        (ProviderError(ErrorKind.TRANSIENT), True),
        (ProviderError(ErrorKind.SATURATED), True),
        (ProviderError(ErrorKind.CALLER), False),
    ],
    ids=["failed", "overloaded", "rejected"],
)
async def test_a_failure_is_trouble_for_ten_seconds(
    error: ProviderError, *, troubled: bool
) -> None:
    bench = Bench()
    before = bench.endpoint.is_troubled
    await bench.failure(error)
    after, said = bench.endpoint.is_troubled, "troubled" in repr(bench.endpoint)
    bench.clock.advance(10)

    assert (False, troubled, False) == (before, after, bench.endpoint.is_troubled)
    assert said is troubled


async def test_what_blocks_refuses_and_its_end_admits_one() -> None:
    bench = Bench()
    await bench.failure(ProviderError(ErrorKind.MISCONFIGURED))
    blocked = bench.refusal(only_candidate=True)
    bench.clock.advance(60)
    gate = Gate()
    bench.adapter.will(gate, done())
    async with asyncio.TaskGroup() as group:
        first = group.create_task(bench.outcome())
        await gate.reached()
        second = await bench.outcome()
        first.cancel()

    assert isinstance(blocked, ProviderError)
    assert blocked.kind is ErrorKind.MISCONFIGURED
    assert ErrorKind.MISCONFIGURED is second
    assert "answer" == await bench.outcome()


async def test_an_answer_ends_a_block_for_all() -> None:
    bench = Bench()
    await bench.failure(ProviderError(ErrorKind.MISCONFIGURED))
    bench.clock.advance(60)
    await bench.read()
    gate = Gate()
    bench.adapter.usually(gate, done())
    async with asyncio.TaskGroup() as group:
        both = [group.create_task(bench.outcome()) for _ in range(2)]
        await gate.reached(2)
        gate.open()

    assert ["answer"] * 2 == [task.result() for task in both]


async def test_what_a_local_endpoint_lacks_its_polls_tell() -> None:
    local, cloud = Bench(), Bench(info=CLOUD)
    for bench in (local, cloud):
        await bench.failure(ProviderError(ErrorKind.MODEL_MISSING))

    assert local.refusal() is None
    assert ErrorKind.MODEL_MISSING.value == str(cloud.refusal())


async def test_a_failed_load_is_one_verdict() -> None:
    bench = Bench()
    failed = ProviderError(ErrorKind.LOAD_FAILED, called=False)
    for _ in range(STREAK + 1):  # once it is open there is nothing more to say
        bench.endpoint.take_failed_load(failed, MODEL)
    bench.endpoint.take_failed_load(ProviderError(ErrorKind.CREDENTIAL), MODEL)

    assert [("ollama/m", "open", "load_failed")] == bench.turned
    assert ErrorKind.CREDENTIAL.value == str(bench.refusal())


async def test_a_load_that_cannot_connect_counts_against_connections() -> None:
    bench = Bench()
    for _ in range(STREAK):
        bench.endpoint.take_failed_load(unreachable(), MODEL)

    assert (State.OPEN, State.CLOSED) == (bench.connecting.state, bench.answering.state)


async def test_callers_names_do_not_push_out_an_open_breaker() -> None:
    bench = Bench()
    for _ in range(STREAK):
        bench.endpoint.take_failed_load(ProviderError(ErrorKind.LOAD_FAILED, called=False), MODEL)
    names = [f"model-{number}" for number in range(2 * MAX_MODELS)]
    bench.facts[0].known |= set(names)
    for name in names:
        bench.refusal(name)

    assert State.OPEN is bench.answering.state
    assert 1 + MAX_MODELS == len(bench.endpoint._breakers)  # noqa: SLF001  memory is asked


async def test_who_is_held_back_gets_no_place_and_a_call_that_has_one_does_not_go_out() -> None:
    bench = Bench(places=1)
    gate = Gate()
    bench.adapter.will(gate, done())

    async def answer_and_hold_back() -> None:
        await bench.read()
        bench.endpoint.held_back.add(MODEL)  # in the moment in which the other one got its place

    async with asyncio.TaskGroup() as group:
        _ = group.create_task(answer_and_hold_back())
        await gate.reached()
        second = group.create_task(bench.failure())
        await eventually(lambda: bench.waiting() == 1)
        gate.open()
    refusal, said, told = bench.refusal(only_candidate=True), repr(bench.endpoint), second.result()
    bench.endpoint.held_back.discard(MODEL)

    assert isinstance(refusal, ProviderError)
    assert (ErrorKind.OPEN, None) == (refusal.kind, refusal.retry_after_s)
    assert (ErrorKind.OPEN, False) == (told.kind, told.called)
    assert "m held back" in said
    assert [1] == bench.calls
    assert bench.refusal() is None


async def test_an_endpoint_says_what_runs_and_which_breakers_are_open() -> None:
    bench = Bench()
    for _ in range(STREAK):
        bench.endpoint.take_failed_load(unreachable(), MODEL)
    bench.clock.advance(10)

    assert "<Endpoint ollama: 0 of 8 run, <CircuitBreaker ollama: open>>" == repr(bench.endpoint)
