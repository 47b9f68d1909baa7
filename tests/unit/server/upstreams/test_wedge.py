import asyncio
from collections.abc import AsyncIterator

import pytest

from llmsvc_server.app.tasks import Background
from llmsvc_server.chat.events import Delta
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import BreakerState as State
from llmsvc_server.upstreams.breaker import STREAK
from llmsvc_server.upstreams.freeing import CLOSING_S
from llmsvc_server.upstreams.wedge import MAX_MODELS, ONCE_IN_S, WedgeDetector
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.manual_clock import ManualClock
from tests.fakes.scripted_provider import Step, done
from tests.fakes.upstreams import MODEL, FakeFacts
from tests.fakes.virtual_time import virtually
from tests.unit.server.upstreams.upstreams import Bench, silent

POLL_S = 5.0
SILENCE_S = 30.0


class Ward(Bench):
    """An upstream whose model may be wedged."""

    def __init__(self, tasks: Background, *, mark: str = "12:00") -> None:
        super().__init__(tasks=tasks)
        self.facts[0].mark = mark

    @property
    def unloaded(self) -> list[str]:
        """The models that were unloaded."""
        return self.warming[0].unloaded

    @property
    def told(self) -> list[str]:
        """What was told of the model's health."""
        words = {"wedged", "still wedged", "freed"}
        return [f"{state} {why}".strip() for _, state, why in self.loaded if state in words]

    def pass_time(self, length_s: float = SILENCE_S) -> None:
        """Let time pass, with a poll every few seconds."""
        for _ in range(round(length_s / POLL_S)):
            self.clock.advance(POLL_S)
            self.upstream.take_poll("ollama", seen=True)

    async def known(self) -> None:
        """Answer once, so that the polls that follow know what to look at."""
        await self.read()
        self.pass_time()

    async def silence(self, *during: Step) -> ErrorKind | str:
        """Keep one call waiting for its whole limit; let it count."""
        self.adapter.will(*(during or (self.pass_time,)), silent())
        return await self.outcome()

    async def wedge(self) -> None:
        """Be silent until the breaker opens."""
        for _ in range(STREAK):
            await self.silence()

    async def settled(self) -> None:
        """Return when nothing more is going to happen."""
        for _ in range(10):
            await asyncio.sleep(0)
        await eventually(lambda: not self.loads.is_loading(MODEL))


@pytest.fixture
async def tasks() -> AsyncIterator[Background]:
    async with Background() as made:
        yield made


async def test_a_wedged_model_is_unloaded_and_loaded_once(tasks: Background) -> None:
    ward = Ward(tasks)
    await ward.known()
    loads = len(ward.warming[0].asked)
    await ward.wedge()
    await ward.settled()

    assert [MODEL] == ward.unloaded
    assert STREAK + 1 == len(ward.warming[0].asked) - loads  # a check each, then the load
    assert ["wedged", "freed"] == ward.told
    healed = ward.answering.state
    await ward.read()
    assert (State.HALF_OPEN, State.CLOSED) == (healed, ward.answering.state)


async def test_meanwhile_nobody_gets_a_place(tasks: Background) -> None:
    ward = Ward(tasks)
    await ward.known()
    await ward.wedge()
    ward.warming[0].gate.close()
    ward.clock.advance(60)
    await eventually(lambda: ward.loads.is_loading(MODEL))
    refusal = ward.refusal(only_candidate=True)
    ward.warming[0].gate.open()
    await ward.settled()

    assert refusal is not None
    assert ErrorKind.OPEN is refusal.kind
    assert ward.refusal(only_candidate=True) is None


async def test_calls_that_hang_on_it_are_closed_before_the_unload(tasks: Background) -> None:
    ward = Ward(tasks)
    await ward.known()
    hanging = Gate()
    ward.adapter.will(hanging)
    async with asyncio.TaskGroup() as group:
        call = group.create_task(ward.outcome())
        await hanging.reached()
        ward.adapter.closing = Gate()
        ward.adapter.closing.open()
        await ward.wedge()
        ward.adapter.closing.close()
        await ward.adapter.closing.reached(STREAK + 1)
        before = list(ward.unloaded)
        ward.adapter.closing.open()
        await ward.settled()

    assert [] == before
    assert [MODEL] == ward.unloaded
    assert ErrorKind.OPEN is call.result()


async def test_at_most_once_in_ten_minutes(tasks: Background) -> None:
    ward = Ward(tasks)
    await ward.known()
    await ward.wedge()
    await ward.settled()
    await ward.silence()  # on trial: it opens again
    await ward.settled()
    once = list(ward.unloaded)
    ward.pass_time(ONCE_IN_S)
    await ward.silence()
    await ward.settled()

    assert [MODEL] == once
    assert [MODEL, MODEL] == ward.unloaded


async def test_an_answer_since_the_first_silence_means_that_it_is_no_wedge(
    tasks: Background,
) -> None:
    ward = Ward(tasks)
    await ward.known()
    await ward.silence()
    ward.adapter.will(Delta("a"), ProviderError(ErrorKind.TRANSIENT))
    await ward.outcome()
    await ward.silence()
    await ward.silence()
    await ward.settled()

    assert State.OPEN is ward.answering.state
    assert [] == ward.unloaded


async def test_a_breaker_that_something_else_opened_is_left_alone(tasks: Background) -> None:
    ward = Ward(tasks)
    await ward.known()
    await ward.silence()
    await ward.count(ProviderError(ErrorKind.TRANSIENT))
    await ward.count(ProviderError(ErrorKind.TRANSIENT))
    for _ in range(STREAK):
        ward.endpoint.take_failed_load(ProviderError(ErrorKind.CONNECT, called=False), MODEL)
    await ward.settled()

    assert State.OPEN is ward.answering.state
    assert [] == ward.unloaded


async def test_a_model_that_was_not_in_memory_once_is_left_alone(tasks: Background) -> None:
    ward = Ward(tasks)
    await ward.known()
    await ward.silence()
    ward.warming[0].failures = [ProviderError(ErrorKind.LOAD_FAILED)]
    cold = await ward.silence()
    await ward.silence()
    await ward.silence()
    await ward.settled()

    assert ErrorKind.COLD_LOAD is cold
    assert State.OPEN is ward.answering.state
    assert [] == ward.unloaded


async def test_anothers_work_in_that_time_makes_it_busy_and_not_wedged(
    tasks: Background,
) -> None:
    ward = Ward(tasks)
    await ward.known()

    def work_elsewhere() -> None:
        ward.pass_time(15)
        ward.facts[0].mark += "!"
        ward.pass_time(15)

    busy = [await ward.silence(work_elsewhere) for _ in range(2 * STREAK)]

    assert {ErrorKind.SATURATED} == set(busy)
    assert State.CLOSED is ward.answering.state
    assert [] == ward.unloaded


async def test_what_our_own_calls_and_checks_move_is_not_anothers_work(
    tasks: Background,
) -> None:
    ward = Ward(tasks)
    await ward.known()
    for _ in range(STREAK):
        await ward.silence()
        ward.facts[0].mark += "!"  # by the end of our call and by the check, seen at the next look
    await ward.settled()

    assert [MODEL] == ward.unloaded


@pytest.mark.parametrize("busy_until", ["", "12:00"])
async def test_where_nothing_tells_of_anothers_work_nothing_is_unloaded(
    tasks: Background, busy_until: str
) -> None:
    ward = Ward(tasks, mark=busy_until)
    await ward.known()
    for _ in range(STREAK):
        if busy_until:
            await ward.silence(lambda: ward.clock.advance(SILENCE_S))  # without a look
        else:
            await ward.silence()
    await ward.settled()

    assert State.OPEN is ward.answering.state
    assert [] == ward.unloaded


async def test_a_model_that_leaves_memory_is_no_work(tasks: Background) -> None:
    ward = Ward(tasks)
    await ward.known()

    def leave() -> None:
        ward.pass_time(15)
        ward.facts[0].mark = ""
        ward.pass_time(5)
        ward.facts[0].mark = "13:00"
        ward.pass_time(10)

    told = await ward.silence(leave)

    assert ErrorKind.SILENT is told


async def test_where_the_server_does_not_take_the_order_it_stays_open(tasks: Background) -> None:
    ward = Ward(tasks)
    await ward.known()
    ward.warming[0].unload_failure = ProviderError(ErrorKind.CONNECT, called=False)
    await ward.wedge()
    await ward.settled()

    assert ["wedged", "still wedged connect"] == ward.told
    assert State.OPEN is ward.answering.state
    ward.clock.advance(60)
    assert ward.refusal(only_candidate=False) is None


def test_a_model_of_which_nothing_is_known_is_left_alone() -> None:
    assert not WedgeDetector(FakeFacts(), ManualClock(), is_on=True).is_wedged("other")


def test_it_says_who_was_silent_and_does_not_remember_every_model_for_ever() -> None:
    facts, clock = FakeFacts(), ManualClock()
    facts.mark = "12:00"
    detector = WedgeDetector(facts, clock, is_on=True)
    for number in range(2 * MAX_MODELS):
        detector.take_sign(f"model-{number}")
    clock.advance(1)
    detector.take_poll()
    detector.take_silence("model-511", 1_000.0)

    assert f"<WedgeDetector: on, {MAX_MODELS} models, silent: model-511 1>" == repr(detector)


async def test_calls_that_have_a_byte_go_on(
    tasks: Background,
) -> None:
    ward = Ward(tasks)
    await ward.known()
    gate = Gate()
    ward.adapter.will(Delta("a"), gate, done())  # one that has a byte goes on
    async with asyncio.TaskGroup() as group:
        heard = group.create_task(ward.outcome())
        await gate.reached()
        await ward.wedge()
        await ward.settled()
        unloaded = list(ward.unloaded)
        gate.open()

    assert [MODEL] == unloaded
    assert "answer" == heard.result()


async def test_a_caller_that_leaves_while_calls_are_ended_is_no_failure(tasks: Background) -> None:
    ward = Ward(tasks)
    await ward.known()
    hanging = Gate()
    ward.adapter.will(hanging)
    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(ward.read())
        await hanging.reached()
        await ward.wedge()
        leaving.cancel()
        await ward.settled()

    assert leaving.cancelled()
    assert [MODEL] == ward.unloaded


@virtually
async def test_the_unload_does_not_wait_for_ever_for_calls_to_be_closed() -> None:
    async with Background() as tasks:
        ward = Ward(tasks)
        await ward.known()
        hanging = Gate()
        ward.adapter.will(hanging)
        async with asyncio.TaskGroup() as group:
            _ = group.create_task(ward.outcome())
            await hanging.reached()
            await ward.wedge()
            ward.adapter.closing = Gate()
            await ward.adapter.closing.reached()
            early = list(ward.unloaded)
            await eventually(lambda: bool(ward.unloaded), within_s=2 * CLOSING_S)
            await ward.settled()
            ward.adapter.closing.open()

    assert [] == early
    assert [MODEL] == ward.unloaded


async def test_a_load_that_runs_when_it_is_freed_is_joined(tasks: Background) -> None:
    ward = Ward(tasks)
    await ward.known()
    hanging = Gate()
    ward.adapter.will(hanging)
    async with asyncio.TaskGroup() as group:
        _ = group.create_task(ward.outcome())
        await hanging.reached()
        await ward.wedge()
        ward.adapter.closing = Gate()
        await ward.adapter.closing.reached()
        ward.warming[0].gate.close()
        ward.upstream.load(MODEL)
        loads = len(ward.warming[0].asked)
        ward.adapter.closing.open()
        await eventually(lambda: bool(ward.unloaded))
        ward.warming[0].gate.open()
        await ward.settled()

    assert ["wedged", "freed"] == ward.told
    assert loads + 1 == len(ward.warming[0].asked)
