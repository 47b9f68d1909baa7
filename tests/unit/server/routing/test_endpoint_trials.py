import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest

from llmsvc_server.chat.events import Delta
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import BreakerState as State
from llmsvc_server.routing.breaker import STREAK
from llmsvc_server.routing.endpoint import REMEMBERED_MODELS
from tests.fakes.gate import Gate
from tests.fakes.requests import chat_request, limits_of
from tests.fakes.scripted_provider import done
from tests.unit.server.routing.endpoints import CLOUD, MODEL, Bench, silent, unreachable


async def half_open(bench: Bench) -> None:
    await bench.trip(ErrorKind.TRANSIENT)
    bench.clock.advance(10)
    assert State.HALF_OPEN is bench.answering.state


async def test_on_trial_a_failure_counts_at_once() -> None:
    bench = Bench()
    await half_open(bench)
    told = await bench.failure(ProviderError(ErrorKind.TRANSIENT))

    assert told.verdict is not None
    told.verdict.withdraw()  # too late: it has counted
    assert State.OPEN is bench.answering.state


async def test_on_trial_first_content_is_enough() -> None:
    bench = Bench()
    await half_open(bench)
    bench.inner.will(Delta(""), Delta("a"), Gate())
    place = bench.place()
    states = []
    async with aclosing(bench.stream(place)) as events:
        for _ in range(3):
            await anext(events)
            states.append(bench.answering.state)
    place.give_back()

    assert [State.HALF_OPEN, State.HALF_OPEN, State.CLOSED] == states


async def test_a_cloud_needs_two_trials() -> None:
    bench = Bench(info=CLOUD)
    await half_open(bench)
    await bench.answer()
    first = bench.answering.state
    await bench.answer()

    assert (State.HALF_OPEN, State.CLOSED) == (first, bench.answering.state)


async def test_a_call_under_way_when_it_opened_changes_nothing() -> None:
    bench = Bench()
    gate = Gate()
    bench.inner.will(gate, Delta("late"), done())
    place = bench.place()
    async with aclosing(bench.stream(place)) as events:
        await anext(events)
        async with asyncio.TaskGroup() as group:
            late = group.create_task(anext(events))
            await gate.reached()
            await half_open(bench)
            gate.open()
            await late
    place.give_back()

    assert State.HALF_OPEN is bench.answering.state


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
async def test_wherever_a_trial_is_left_the_next_one_may_try(steps: int) -> None:
    bench = Bench(info=CLOUD)
    await half_open(bench)
    bench.inner.will(Delta(""), Delta("a"), done())
    place = bench.place()
    events = bench.stream(place)
    for _ in range(steps):
        await anext(events)
    await events.aclose()
    place.give_back()

    assert bench.endpoint.refusal(MODEL, only_candidate=False) is None
    assert 0 == bench.endpoint.in_flight


async def test_while_it_does_not_have_the_model_it_stays_open() -> None:
    bench = Bench()
    await bench.trip(ErrorKind.TRANSIENT)
    bench.known = {""}
    bench.clock.advance(10)

    assert State.OPEN is bench.answering.state


async def test_being_seen_ends_the_open_time_of_connections_only() -> None:
    bench = Bench()
    for _ in range(STREAK):
        await bench.count(unreachable())
    bench.endpoint.was_seen()
    connecting = bench.connecting.state
    await bench.answer()
    await bench.trip(ErrorKind.TRANSIENT)
    bench.endpoint.was_seen()

    assert (State.HALF_OPEN, State.OPEN) == (connecting, bench.answering.state)


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
    before = bench.endpoint.troubled
    await bench.failure(error)
    after = bench.endpoint.troubled
    bench.clock.advance(10)

    assert (False, troubled, False) == (before, after, bench.endpoint.troubled)


async def test_what_blocks_refuses_and_its_end_admits_one() -> None:
    bench = Bench()
    await bench.failure(ProviderError(ErrorKind.MISCONFIGURED))
    blocked = bench.endpoint.refusal(MODEL, only_candidate=True)
    bench.clock.advance(60)
    place = bench.place()
    second = bench.endpoint.reserve(MODEL, only_candidate=False)
    place.give_back()

    assert isinstance(blocked, ProviderError)
    assert blocked.kind is ErrorKind.MISCONFIGURED
    assert second is None
    assert bench.endpoint.reserve(MODEL, only_candidate=False) is not None


async def test_an_answer_ends_a_block_for_all() -> None:
    bench = Bench()
    await bench.failure(ProviderError(ErrorKind.MISCONFIGURED))
    bench.clock.advance(60)
    await bench.answer()
    taken = [bench.place(), bench.place()]

    assert 2 == len(taken)


async def test_what_a_local_endpoint_lacks_its_looks_tell() -> None:
    local, cloud = Bench(), Bench(info=CLOUD)
    for bench in (local, cloud):
        await bench.failure(ProviderError(ErrorKind.MODEL_MISSING))

    assert local.endpoint.refusal(MODEL, only_candidate=False) is None
    assert ErrorKind.MODEL_MISSING.value == str(cloud.endpoint.refusal(MODEL, only_candidate=False))


def test_a_failed_load_is_one_verdict() -> None:
    bench = Bench()
    for _ in range(STREAK):
        bench.endpoint.load_failed(ProviderError(ErrorKind.LOAD_FAILED, called=False), MODEL)
    bench.endpoint.load_failed(
        ProviderError(ErrorKind.LOAD_FAILED, called=False), MODEL
    )  # open: nothing more to say
    bench.endpoint.load_failed(ProviderError(ErrorKind.CREDENTIAL), MODEL)

    assert [("ollama/m", "open", "load_failed")] == bench.turns
    assert ErrorKind.CREDENTIAL.value == str(bench.endpoint.refusal(MODEL, only_candidate=False))


def test_a_load_that_cannot_connect_counts_against_connections() -> None:
    bench = Bench()
    for _ in range(STREAK):
        bench.endpoint.load_failed(unreachable(), MODEL)

    assert (State.OPEN, State.CLOSED) == (bench.connecting.state, bench.answering.state)


def test_callers_names_do_not_push_out_an_open_breaker() -> None:
    bench = Bench()
    for _ in range(STREAK):
        bench.endpoint.load_failed(ProviderError(ErrorKind.LOAD_FAILED, called=False), MODEL)
    for number in range(2 * REMEMBERED_MODELS):
        bench.endpoint.refusal(f"model-{number}", only_candidate=False)

    assert State.OPEN is bench.answering.state
    assert REMEMBERED_MODELS == len(bench.endpoint._models)  # noqa: SLF001  memory is asked


class Confirming:
    """Loads that are only asked whether a model is in memory."""

    def __init__(self, answer: Callable[[str], Awaitable[bool]]) -> None:
        """Answer as `answer` does; keep who was lost."""
        self._answer = answer
        self.lost_models: list[str] = []

    async def confirm(self, model: str) -> bool:
        """Return what it says."""
        return await self._answer(model)

    def lost(self, model: str, error: ProviderError) -> ProviderError:
        """Note it."""
        assert error.endpoint
        self.lost_models.append(model)
        return error


async def confirm(*, is_loaded: bool) -> tuple[Bench, ProviderError]:
    bench = Bench()
    asked = []

    async def confirmed(model: str) -> bool:
        asked.append((model, bench.endpoint.in_flight))
        return is_loaded

    loads = Confirming(confirmed)
    bench.endpoint.load_with(loads)
    told = await bench.failure(silent())
    assert [(MODEL, 1)] == asked
    assert ([] if is_loaded else [MODEL]) == loads.lost_models
    return bench, told


async def test_a_silence_of_a_model_in_memory_counts() -> None:
    _, told = await confirm(is_loaded=True)

    assert told.kind is ErrorKind.SILENT
    assert told.verdict is not None


async def test_a_silence_of_a_cold_model_is_a_load() -> None:
    bench, told = await confirm(is_loaded=False)

    assert told.kind is ErrorKind.COLD_LOAD
    assert (None, "load", "C05", "ollama") == (told.verdict, told.phase, told.row, told.endpoint)
    assert not bench.endpoint.troubled


async def test_a_cancel_during_that_check_leaves_no_verdict_and_frees_the_trial() -> None:
    bench = Bench()
    await half_open(bench)
    gate = Gate()

    async def never(_model: str) -> bool:
        await gate.passed()
        return True

    bench.endpoint.load_with(Confirming(never))
    async with asyncio.TaskGroup() as group:
        calling = group.create_task(bench.failure(silent()))
        await gate.reached()
        on_trial = bench.answering.on_trial
        calling.cancel()

    assert on_trial
    assert State.HALF_OPEN is bench.answering.state
    assert not bench.answering.on_trial


async def test_who_is_held_back_gets_no_place_until_let_through() -> None:
    bench = Bench()
    waiting = bench.stream(bench.place())
    await anext(waiting)
    bench.endpoint.hold_back(MODEL)
    refusal = bench.endpoint.refusal(MODEL, only_candidate=True)
    with pytest.raises(ProviderError, match=ErrorKind.OPEN) as held:
        await anext(waiting)
    bench.endpoint.let_through(MODEL)

    assert isinstance(refusal, ProviderError)
    assert refusal.kind is ErrorKind.OPEN
    assert refusal.retry_after_s is None
    assert not held.value.called
    assert 0 == len(bench.inner.calls)
    assert bench.endpoint.refusal(MODEL, only_candidate=False) is None


async def test_calls_without_a_byte_can_be_ended_and_others_go_on() -> None:
    bench = Bench()
    gate, unheard = Gate(), Gate()
    bench.inner.will(Delta("a"), gate, done())
    bench.inner.will(unheard)
    async with asyncio.TaskGroup() as group:
        heard = group.create_task(bench.answer())
        await gate.reached()
        silence = group.create_task(_outcome(bench))
        await unheard.reached()
        await bench.endpoint.interrupt(MODEL, within_s=5)
        left = bench.inner.calls[1].left
        gate.open()

    assert left
    assert 3 == len(heard.result())
    told = silence.result()
    assert isinstance(told, ProviderError)
    assert told.kind is ErrorKind.OPEN
    assert (True, None, ErrorKind.OPEN) == (told.called, told.verdict, told.kind)


async def _outcome(bench: Bench) -> ProviderError | None:
    try:
        await bench.answer()
    except ProviderError as error:
        return error
    return None


async def test_ending_calls_does_not_wait_for_ever_for_an_upstream_that_will_not_close() -> None:
    bench = Bench()
    unheard = Gate()
    bench.inner.will(unheard)
    bench.inner.closing = Gate()
    async with asyncio.TaskGroup() as group:
        silence = group.create_task(_outcome(bench))
        await unheard.reached()
        await bench.endpoint.interrupt(MODEL, within_s=0.01)
        still = not silence.done()
        bench.inner.closing.open()

    assert still


async def test_a_cancel_from_outside_stays_one_though_calls_are_ended_as_well() -> None:
    bench = Bench()
    unheard = Gate()
    bench.inner.will(unheard)
    async with asyncio.TaskGroup() as group:
        calling = group.create_task(_outcome(bench))
        await unheard.reached()
        calling.cancel()
        await bench.endpoint.interrupt(MODEL, within_s=5)
        await bench.endpoint.interrupt(MODEL, within_s=5)

    assert calling.cancelled()


async def test_turns_are_told_when_it_opens_and_closes() -> None:
    bench = Bench()
    told = []
    bench.endpoint.tell_turns(lambda: told.append(bench.answering.state))
    await half_open(bench)
    await bench.answer()

    assert [State.OPEN, State.CLOSED] == told


async def test_an_event_after_the_budget_is_not_asked_for() -> None:
    bench = Bench()
    place = bench.place()
    events = bench.endpoint.stream_chat(place, chat_request(model=MODEL), limits_of())
    await events.aclose()
    place.give_back()

    assert [] == bench.inner.calls
    assert 0 == bench.endpoint.in_flight
