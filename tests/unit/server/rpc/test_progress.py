"""Signs of life beside a stream, over an outlet that a test controls."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine

import grpc
import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.deadline import Clock, Deadline
from llmsvc_server.chat.events import Phase
from llmsvc_server.chat.usage import Usage
from llmsvc_server.rpc.callinfo import Call
from llmsvc_server.rpc.deltas import encoded_delta
from llmsvc_server.rpc.headers import Metadata
from llmsvc_server.rpc.progress import PHASES, Progress
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.manual_clock import ManualClock
from tests.fakes.scripted_provider import LOCAL_OLLAMA

INTERVAL_S = 0.01
DELTA = encoded_delta("a")
PROGRESS = llm_pb2.StreamProgress


class KeptOutlet:
    """Keeps what is written; stops at a gate, or fails, where a test says so."""

    def __init__(self) -> None:
        self.sent: list[llm_pb2.ChatStreamResponse] = []
        self.headers: list[dict[str, str]] = []
        self.gate: Gate | None = None
        self.failure: Exception | None = None
        self.writing = 0
        self.most_writing = 0

    async def send_initial_metadata(self, initial_metadata: Metadata) -> None:
        self.headers.append(dict(initial_metadata))

    async def write(self, message: bytes) -> None:
        self.writing += 1
        self.most_writing = max(self.most_writing, self.writing)
        try:
            await asyncio.sleep(0)
            if self.gate is not None:
                await self.gate.passed()
            if self.failure is not None:
                raise self.failure
            self.sent.append(llm_pb2.ChatStreamResponse.FromString(message))
        finally:
            self.writing -= 1

    @property
    def events(self) -> list[str | None]:
        return [one.WhichOneof("event") for one in self.sent]

    @property
    def told(self) -> list[llm_pb2.StreamProgress]:
        return [one.progress for one in self.sent if one.HasField("progress")]


@pytest.fixture
def outlet() -> KeptOutlet:
    return KeptOutlet()


@pytest.fixture
async def call() -> Call:
    return call_by(asyncio.get_running_loop().time)


def call_by(clock: Clock) -> Call:
    return Call(
        method="/m",
        request_id="req-1",
        began_s=clock(),
        finish_by=Deadline(at_s=clock() + 60, clock=clock),
        limit_s=None,
    )


async def lines(outlet: KeptOutlet, n: int) -> None:
    """Wait for that many messages."""
    await eventually(lambda: len(outlet.sent) >= n)


async def passed(length_s: float) -> None:
    """Let so many seconds pass."""
    now = asyncio.get_running_loop().time
    until_s = now() + length_s
    await eventually(lambda: now() >= until_s)


async def test_a_silent_stream_says_how_long_it_has_run_again_and_again(
    outlet: KeptOutlet, call: Call
) -> None:
    await Progress(outlet, call, INTERVAL_S).beside(lines(outlet, 3))
    elapsed_s = [one.elapsed_duration.ToNanoseconds() / 1e9 for one in outlet.told]

    assert {"progress"} == set(outlet.events)
    assert all(later - earlier >= 0 for earlier, later in itertools.pairwise(elapsed_s))
    assert elapsed_s[0] >= INTERVAL_S * 0.9
    assert call.messages_sent == len(outlet.sent)


TARGET = llm_pb2.RouteTarget(provider="ollama", model="phi3")
NO_TARGET = llm_pb2.RouteTarget()


@pytest.mark.parametrize(
    ("waits_for", "phase", "target"),
    [
        (None, PROGRESS.PHASE_UNSPECIFIED, NO_TARGET),
        (Phase.QUEUED, PROGRESS.PHASE_QUEUED, NO_TARGET),
        (Phase.LOADING, PROGRESS.PHASE_LOADING_MODEL, TARGET),
        (Phase.PROVIDER, PROGRESS.PHASE_WAITING_FOR_PROVIDER, TARGET),
    ],
)
async def test_it_says_what_is_waited_for(
    outlet: KeptOutlet,
    call: Call,
    waits_for: Phase | None,
    phase: int,
    target: llm_pb2.RouteTarget,
) -> None:
    call.receipt.begin(LOCAL_OLLAMA, "phi3", waits_for)
    await Progress(outlet, call, INTERVAL_S).beside(lines(outlet, 1))

    assert (phase, target) == (outlet.told[0].phase, outlet.told[0].target)


async def test_after_the_commit_it_says_who_generates(outlet: KeptOutlet, call: Call) -> None:
    call.receipt.begin(LOCAL_OLLAMA, "phi3")
    call.receipt.commit()
    await Progress(outlet, call, INTERVAL_S).beside(lines(outlet, 1))

    assert (PROGRESS.PHASE_GENERATING, TARGET) == (outlet.told[0].phase, outlet.told[0].target)


async def test_a_stream_that_is_not_silent_says_nothing(outlet: KeptOutlet, call: Call) -> None:
    progress = Progress(outlet, call, 60.0)

    async def work() -> None:
        for _ in range(5):
            await progress.write(DELTA)

    await progress.beside(work())

    assert ["delta"] * 5 == outlet.events


async def test_what_is_written_puts_off_the_next_sign_of_life(outlet: KeptOutlet) -> None:
    clock = ManualClock()
    progress = Progress(outlet, call_by(clock), INTERVAL_S)

    async def work() -> None:
        for _ in range(10):
            clock.advance(0.9 * INTERVAL_S)
            await progress.write(DELTA)
            await passed(INTERVAL_S)
        assert not outlet.told
        clock.advance(2 * INTERVAL_S)
        await lines(outlet, 11)

    await progress.beside(work())

    assert [*["delta"] * 10, "progress"] == outlet.events


async def test_a_message_waits_for_a_sign_of_life_that_is_being_written(
    outlet: KeptOutlet, call: Call
) -> None:
    outlet.gate = gate = Gate()
    progress = Progress(outlet, call, INTERVAL_S)

    async def work() -> None:
        await gate.reached()
        async with asyncio.TaskGroup() as group:
            delta = group.create_task(progress.write(DELTA))
            await asyncio.sleep(0)
            assert not delta.done()
            gate.open()

    await progress.beside(work())

    assert ["progress", "delta"] == outlet.events[:2]
    assert 1 == outlet.most_writing


async def test_signs_of_life_wait_for_a_message_that_is_being_written(outlet: KeptOutlet) -> None:
    clock = ManualClock()  # a slow loop is no silence
    outlet.gate = gate = Gate()
    progress = Progress(outlet, call_by(clock), INTERVAL_S)

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            _ = group.create_task(progress.write(DELTA))
            await gate.reached()
            clock.advance(3 * INTERVAL_S)
            await passed(3 * INTERVAL_S)
            gate.open()
        await passed(3 * INTERVAL_S)

    await progress.beside(work())

    assert ["delta"] == outlet.events
    assert 1 == outlet.most_writing


async def test_headers_go_out_once_with_what_comes_first(outlet: KeptOutlet, call: Call) -> None:
    progress = Progress(outlet, call, INTERVAL_S)

    async def work() -> None:
        await lines(outlet, 2)
        await progress.send_initial_metadata((("x-llmsvc-provider", "ollama"),))

    await progress.beside(work())
    (headers,) = outlet.headers

    assert {"x-request-id", "x-llmsvc-deadline-ms"} == headers.keys()


async def test_headers_of_a_stream_that_was_never_silent_say_who_answers(
    outlet: KeptOutlet, call: Call
) -> None:
    progress = Progress(outlet, call, 60.0)
    await progress.beside(progress.send_initial_metadata((("x-llmsvc-provider", "ollama"),)))

    assert [{"x-llmsvc-provider": "ollama"}] == outlet.headers


async def test_nothing_follows_the_end(outlet: KeptOutlet, call: Call) -> None:
    progress = Progress(outlet, call, INTERVAL_S)

    async def work() -> None:
        call.usage = Usage()
        await progress.write(DELTA)
        await passed(3 * INTERVAL_S)  # as long as a provider takes to close

    await progress.beside(work())

    assert ["delta"] == outlet.events


async def test_a_failure_comes_out_as_it_is(outlet: KeptOutlet, call: Call) -> None:
    async def work() -> None:
        await lines(outlet, 1)
        raise LookupError("as it is")

    with pytest.raises(LookupError):
        await Progress(outlet, call, INTERVAL_S).beside(work())


async def test_a_cancel_comes_out_as_one_and_leaves_nothing(outlet: KeptOutlet, call: Call) -> None:
    before = asyncio.all_tasks()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3 * INTERVAL_S):
            await Progress(outlet, call, INTERVAL_S).beside(Gate().passed())

    assert before == asyncio.all_tasks()


async def test_a_sign_of_life_under_way_is_finished_before_a_failure_goes_on(
    outlet: KeptOutlet, call: Call
) -> None:
    outlet.gate = gate = Gate()

    async def work() -> None:
        await gate.reached()
        raise LookupError

    async with asyncio.TaskGroup() as group:
        running = group.create_task(failed(Progress(outlet, call, INTERVAL_S).beside, work()))
        await gate.reached()
        await asyncio.sleep(0)
        over_early = running.done()
        gate.open()

    assert not over_early
    assert isinstance(running.result(), LookupError)
    assert ["progress"] == outlet.events


async def failed(
    beside: Callable[[Coroutine[object, object, None]], Coroutine[object, object, None]],
    work: Coroutine[object, object, None],
) -> Exception | None:
    try:
        await beside(work)
    except LookupError as error:
        return error
    return None


async def test_a_reader_that_is_stuck_holds_nobody_up_for_ever(
    outlet: KeptOutlet, call: Call
) -> None:
    outlet.gate = gate = Gate()
    now = asyncio.get_running_loop().time
    began_s = now()
    await Progress(outlet, call, INTERVAL_S).beside(gate.reached())

    assert 0.9 < now() - began_s < 5
    assert 0 == outlet.writing


async def test_a_caller_that_is_gone_gets_no_more(outlet: KeptOutlet, call: Call) -> None:
    outlet.failure = grpc.aio.InternalError("gone")
    tried: list[None] = []

    async def work() -> None:
        await eventually(lambda: outlet.most_writing > 0)
        await passed(3 * INTERVAL_S)
        tried.append(None)

    await Progress(outlet, call, INTERVAL_S).beside(work())

    assert [None] == tried
    assert [] == outlet.sent


def test_every_phase_has_its_own_number() -> None:
    assert set(PHASES) == set(Phase)
    assert len(PHASES) == len(set(PHASES.values()))
