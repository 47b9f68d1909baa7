import asyncio
from collections.abc import AsyncIterator

import pytest

from llmsvc_server.chat.events import Delta
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import BreakerState as State
from llmsvc_server.routing.breaker import STREAK
from llmsvc_server.routing.healing import ONCE_IN_S, REMEMBERED_MODELS, Healing
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.scripted_provider import Step, done
from tests.unit.server.routing.endpoints import MODEL, Bench, silent
from tests.unit.server.routing.warming import Detached, LoadBench

LOOK_S = 5.0
PATIENCE_S = 30.0


class Ward:
    """An endpoint whose model may be wedged, with its loads, its looks and its healing.

    Attributes:
        bench: The endpoint.
        loading: Its loads, which answer at once.
        busy_until: What the next look finds: moves when work on the model is done.
    """

    def __init__(self, detached: Detached, *, busy_until: str = "12:00") -> None:
        self.bench = Bench()
        self.loading = LoadBench(detached, clock=self.bench.clock)
        self.busy_until = busy_until
        self.bench.endpoint.load_with(self.loading.loads)
        self.healing = Healing(
            self.bench.endpoint,
            self.loading.loads,
            self.loading.source,
            busy_until=lambda _model: self.busy_until,
            start=detached.start,
            clock=self.bench.clock,
            reporter=self.loading.reporter,
        )

    @property
    def unloaded(self) -> list[str]:
        """The models that were unloaded."""
        return self.loading.source.unloaded

    @property
    def told(self) -> list[str]:
        """What was told of the model's health."""
        words = {"wedged", "still wedged", "freed"}
        return [f"{state} {why}".strip() for _, state, why in self.loading.told if state in words]

    def pass_time(self, length_s: float = PATIENCE_S) -> None:
        """Let time pass, with a look every few seconds."""
        for _ in range(round(length_s / LOOK_S)):
            self.bench.clock.advance(LOOK_S)
            self.healing.looked()

    async def known(self) -> None:
        """Answer once, so that the looks that follow know what to look at."""
        await self.bench.answer()
        self.pass_time()

    async def silence(self, *during: Step) -> ProviderError:
        """Keep one call waiting for its whole patience; let it count."""
        self.bench.inner.will(*(during or (self.pass_time,)), silent())
        place = self.bench.place()
        told: ProviderError | None = None
        try:
            async for _ in self.bench.stream(place):
                pass
        except ProviderError as error:
            told = error
        finally:
            place.give_back()
        assert told is not None
        if told.verdict is not None:
            told.verdict.count()
        return told

    async def wedge(self) -> None:
        """Be silent until the breaker opens."""
        for _ in range(STREAK):
            await self.silence()

    async def settled(self) -> None:
        """Return when nothing more is going to happen."""
        for _ in range(10):
            await asyncio.sleep(0)
        await eventually(lambda: not self.loading.loads.is_loading(MODEL))


@pytest.fixture
async def detached() -> AsyncIterator[Detached]:
    async with Detached() as tasks:
        yield tasks


async def test_a_wedged_model_is_unloaded_and_loaded_once(detached: Detached) -> None:
    ward = Ward(detached)
    await ward.known()
    loads = len(ward.loading.source.asked)
    await ward.wedge()
    await ward.settled()

    assert [MODEL] == ward.unloaded
    assert STREAK + 1 == len(ward.loading.source.asked) - loads  # a check each, then the load
    assert ["wedged", "freed"] == ward.told
    healed = ward.bench.answering.state
    await ward.bench.answer()
    assert (State.HALF_OPEN, State.CLOSED) == (healed, ward.bench.answering.state)


async def test_meanwhile_nobody_gets_a_place(detached: Detached) -> None:
    ward = Ward(detached)
    await ward.known()
    await ward.wedge()
    ward.loading.source.gate.close()
    ward.bench.clock.advance(60)
    await eventually(lambda: ward.loading.loads.is_loading(MODEL))
    refusal = ward.bench.endpoint.refusal(MODEL, only_candidate=True)
    ward.loading.source.gate.open()
    await ward.settled()

    assert refusal is not None
    assert ErrorKind.OPEN is refusal.kind
    assert ward.bench.endpoint.refusal(MODEL, only_candidate=True) is None


async def test_calls_that_hang_on_it_are_closed_before_the_unload(detached: Detached) -> None:
    ward = Ward(detached)
    await ward.known()
    hanging = Gate()
    ward.bench.inner.will(hanging)
    async with asyncio.TaskGroup() as group:
        call = group.create_task(_kind(ward.bench))
        await hanging.reached()
        ward.bench.inner.closing = Gate()
        ward.bench.inner.closing.open()
        await ward.wedge()
        ward.bench.inner.closing.close()
        await ward.bench.inner.closing.reached(STREAK + 1)
        before = list(ward.unloaded)
        ward.bench.inner.closing.open()
        await ward.settled()

    assert [] == before
    assert [MODEL] == ward.unloaded
    assert ErrorKind.OPEN is call.result()


async def _kind(bench: Bench) -> ErrorKind | None:
    try:
        await bench.answer()
    except ProviderError as error:
        return error.kind
    return None


async def test_at_most_once_in_ten_minutes(detached: Detached) -> None:
    ward = Ward(detached)
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
    detached: Detached,
) -> None:
    ward = Ward(detached)
    await ward.known()
    await ward.silence()
    ward.bench.inner.will(Delta("a"), ProviderError(ErrorKind.TRANSIENT))
    await _kind(ward.bench)
    await ward.silence()
    await ward.silence()
    await ward.settled()

    assert State.OPEN is ward.bench.answering.state
    assert [] == ward.unloaded


async def test_a_breaker_that_something_else_opened_is_left_alone(detached: Detached) -> None:
    ward = Ward(detached)
    await ward.known()
    await ward.silence()
    await ward.bench.count(ProviderError(ErrorKind.TRANSIENT))
    await ward.bench.count(ProviderError(ErrorKind.TRANSIENT))
    for _ in range(STREAK):
        ward.bench.endpoint.load_failed(ProviderError(ErrorKind.CONNECT, called=False), MODEL)
    await ward.settled()

    assert State.OPEN is ward.bench.answering.state
    assert [] == ward.unloaded


async def test_a_model_of_which_nothing_is_known_is_left_alone(detached: Detached) -> None:
    ward = Ward(detached)
    ward.healing.opened("other", "silent")
    await ward.settled()

    assert [] == ward.unloaded


async def test_a_model_that_was_not_in_memory_once_is_left_alone(detached: Detached) -> None:
    ward = Ward(detached)
    await ward.known()
    await ward.silence()
    ward.loading.source.failures = [ProviderError(ErrorKind.LOAD_FAILED)]
    cold = await ward.silence()
    await ward.silence()
    await ward.silence()
    await ward.settled()

    assert ErrorKind.COLD_LOAD is cold.kind
    assert State.OPEN is ward.bench.answering.state
    assert [] == ward.unloaded


async def test_anothers_work_in_that_time_makes_it_busy_and_not_wedged(
    detached: Detached,
) -> None:
    ward = Ward(detached)
    await ward.known()

    def work_elsewhere() -> None:
        ward.pass_time(15)
        ward.busy_until += "!"
        ward.pass_time(15)

    busy = [await ward.silence(work_elsewhere) for _ in range(2 * STREAK)]

    assert {ErrorKind.SATURATED} == {error.kind for error in busy}
    assert State.CLOSED is ward.bench.answering.state
    assert [] == ward.unloaded


async def test_what_our_own_calls_and_checks_move_is_not_anothers_work(
    detached: Detached,
) -> None:
    ward = Ward(detached)
    await ward.known()
    for _ in range(STREAK):
        await ward.silence()
        ward.busy_until += "!"  # by the end of our call and by the check, seen at the next look
    await ward.settled()

    assert [MODEL] == ward.unloaded


@pytest.mark.parametrize("busy_until", ["", "12:00"])
async def test_where_nothing_tells_of_anothers_work_nothing_is_unloaded(
    detached: Detached, busy_until: str
) -> None:
    ward = Ward(detached, busy_until=busy_until)
    await ward.known()
    for _ in range(STREAK):
        if busy_until:
            await ward.silence(lambda: ward.bench.clock.advance(PATIENCE_S))  # without a look
        else:
            await ward.silence()
    await ward.settled()

    assert State.OPEN is ward.bench.answering.state
    assert [] == ward.unloaded


async def test_a_model_that_leaves_memory_is_no_work(detached: Detached) -> None:
    ward = Ward(detached)
    await ward.known()

    def leave() -> None:
        ward.pass_time(15)
        ward.busy_until = ""
        ward.pass_time(5)
        ward.busy_until = "13:00"
        ward.pass_time(10)

    told = await ward.silence(leave)

    assert ErrorKind.SILENT is told.kind


async def test_where_the_server_does_not_take_the_order_it_stays_open(detached: Detached) -> None:
    ward = Ward(detached)
    await ward.known()
    ward.loading.source.unload_failure = ProviderError(ErrorKind.CONNECT, called=False)
    await ward.wedge()
    await ward.settled()

    assert ["wedged", "still wedged connect"] == ward.told
    assert State.OPEN is ward.bench.answering.state
    ward.bench.clock.advance(60)
    assert ward.bench.endpoint.refusal(MODEL, only_candidate=False) is None


async def test_not_every_model_is_remembered_for_ever(detached: Detached) -> None:
    ward = Ward(detached)
    for number in range(2 * REMEMBERED_MODELS):
        ward.healing.answered(f"model-{number}")

    assert REMEMBERED_MODELS == len(ward.healing._models)  # noqa: SLF001  memory is what is asked


async def test_an_endpoint_that_nobody_watches_goes_on_as_before() -> None:
    bench = Bench()
    for _ in range(STREAK):
        await bench.count(silent())
    bench.clock.advance(30)
    bench.inner.will(done())
    await bench.answer()

    assert State.CLOSED is bench.answering.state
