"""Signs of life beside a stream, over an writer that a test controls."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine

import grpc
import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.deadline import Clock, Deadline
from llmsvc_server.chat.events import Phase
from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.chat.usage import Usage
from llmsvc_server.rpc.callinfo import Call
from llmsvc_server.rpc.deltas import encode_delta
from llmsvc_server.rpc.headers import Metadata
from llmsvc_server.rpc.progress import PHASES, Progress
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.manual_clock import ManualClock
from tests.fakes.scripted_provider import LOCAL_OLLAMA

INTERVAL_S = 0.01
DELTA = encode_delta("a")
PROGRESS = llm_pb2.StreamProgress


class RecordingWriter:
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
    def progress(self) -> list[llm_pb2.StreamProgress]:
        return [one.progress for one in self.sent if one.HasField("progress")]


@pytest.fixture
def writer() -> RecordingWriter:
    return RecordingWriter()


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
        receipt=Receipt(clock),
    )


async def lines(writer: RecordingWriter, n: int) -> None:
    """Wait for that many messages."""
    await eventually(lambda: len(writer.sent) >= n)


async def passed(length_s: float) -> None:
    """Let so many seconds pass."""
    now = asyncio.get_running_loop().time
    until_s = now() + length_s
    await eventually(lambda: now() >= until_s)


async def test_a_silent_stream_says_how_long_it_has_run_again_and_again(
    writer: RecordingWriter, call: Call
) -> None:
    await Progress(writer, call, INTERVAL_S).run_beside(lines(writer, 3))
    elapsed_s = [one.elapsed_duration.ToNanoseconds() / 1e9 for one in writer.progress]

    assert {"progress"} == set(writer.events)
    assert all(later - earlier >= 0 for earlier, later in itertools.pairwise(elapsed_s))
    assert elapsed_s[0] >= INTERVAL_S * 0.9
    assert call.messages_sent == len(writer.sent)


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
    writer: RecordingWriter,
    call: Call,
    waits_for: Phase | None,
    phase: int,
    target: llm_pb2.RouteTarget,
) -> None:
    call.receipt.begin(LOCAL_OLLAMA, "phi3", waits_for)
    await Progress(writer, call, INTERVAL_S).run_beside(lines(writer, 1))

    assert (phase, target) == (writer.progress[0].phase, writer.progress[0].target)


async def test_after_the_commit_it_says_who_generates(writer: RecordingWriter, call: Call) -> None:
    call.receipt.begin(LOCAL_OLLAMA, "phi3")
    call.receipt.commit()
    await Progress(writer, call, INTERVAL_S).run_beside(lines(writer, 1))

    assert (PROGRESS.PHASE_GENERATING, TARGET) == (
        writer.progress[0].phase,
        writer.progress[0].target,
    )


async def test_a_stream_that_is_not_silent_says_nothing(
    writer: RecordingWriter, call: Call
) -> None:
    progress = Progress(writer, call, 60.0)

    async def work() -> None:
        for _ in range(5):
            await progress.write(DELTA)

    await progress.run_beside(work())

    assert ["delta"] * 5 == writer.events


async def test_what_is_written_puts_off_the_next_sign_of_life(writer: RecordingWriter) -> None:
    clock = ManualClock()
    progress = Progress(writer, call_by(clock), INTERVAL_S)

    async def work() -> None:
        for _ in range(10):
            clock.advance(0.9 * INTERVAL_S)
            await progress.write(DELTA)
            await passed(INTERVAL_S)
        assert not writer.progress
        clock.advance(2 * INTERVAL_S)
        await lines(writer, 11)

    await progress.run_beside(work())

    assert [*["delta"] * 10, "progress"] == writer.events


async def test_a_message_waits_for_a_sign_of_life_that_is_being_written(
    writer: RecordingWriter, call: Call
) -> None:
    writer.gate = gate = Gate()
    progress = Progress(writer, call, INTERVAL_S)

    async def work() -> None:
        await gate.reached()
        async with asyncio.TaskGroup() as group:
            delta = group.create_task(progress.write(DELTA))
            await asyncio.sleep(0)
            assert not delta.done()
            gate.open()

    await progress.run_beside(work())

    assert ["progress", "delta"] == writer.events[:2]
    assert 1 == writer.most_writing


async def test_signs_of_life_wait_for_a_message_that_is_being_written(
    writer: RecordingWriter,
) -> None:
    clock = ManualClock()  # a slow loop is no silence
    writer.gate = gate = Gate()
    progress = Progress(writer, call_by(clock), INTERVAL_S)

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            _ = group.create_task(progress.write(DELTA))
            await gate.reached()
            clock.advance(3 * INTERVAL_S)
            await passed(3 * INTERVAL_S)
            gate.open()
        await passed(3 * INTERVAL_S)

    await progress.run_beside(work())

    assert ["delta"] == writer.events
    assert 1 == writer.most_writing


async def test_headers_go_out_once_with_what_comes_first(
    writer: RecordingWriter, call: Call
) -> None:
    progress = Progress(writer, call, INTERVAL_S)

    async def work() -> None:
        await lines(writer, 2)
        await progress.send_initial_metadata((("x-llmsvc-provider", "ollama"),))

    await progress.run_beside(work())
    (headers,) = writer.headers

    assert {"x-request-id", "x-llmsvc-deadline-ms"} == headers.keys()


async def test_headers_of_a_stream_that_was_never_silent_say_who_answers(
    writer: RecordingWriter, call: Call
) -> None:
    progress = Progress(writer, call, 60.0)
    await progress.run_beside(progress.send_initial_metadata((("x-llmsvc-provider", "ollama"),)))

    assert [{"x-llmsvc-provider": "ollama"}] == writer.headers


async def test_nothing_follows_the_end(writer: RecordingWriter, call: Call) -> None:
    progress = Progress(writer, call, INTERVAL_S)

    async def work() -> None:
        call.usage = Usage()
        await progress.write(DELTA)
        await passed(3 * INTERVAL_S)  # as long as a provider takes to close

    await progress.run_beside(work())

    assert ["delta"] == writer.events


async def test_a_failure_comes_out_as_it_is(writer: RecordingWriter, call: Call) -> None:
    async def work() -> None:
        await lines(writer, 1)
        raise LookupError("as it is")

    with pytest.raises(LookupError):
        await Progress(writer, call, INTERVAL_S).run_beside(work())


async def test_a_cancel_comes_out_as_one_and_leaves_nothing(
    writer: RecordingWriter, call: Call
) -> None:
    before = asyncio.all_tasks()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3 * INTERVAL_S):
            await Progress(writer, call, INTERVAL_S).run_beside(Gate().passed())

    assert before == asyncio.all_tasks()


async def test_a_sign_of_life_under_way_is_finished_before_a_failure_goes_on(
    writer: RecordingWriter, call: Call
) -> None:
    writer.gate = gate = Gate()

    async def work() -> None:
        await gate.reached()
        raise LookupError

    async with asyncio.TaskGroup() as group:
        running = group.create_task(failed(Progress(writer, call, INTERVAL_S).run_beside, work()))
        await gate.reached()
        await asyncio.sleep(0)
        over_early = running.done()
        gate.open()

    assert not over_early
    assert isinstance(running.result(), LookupError)
    assert ["progress"] == writer.events


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
    writer: RecordingWriter, call: Call
) -> None:
    writer.gate = gate = Gate()
    now = asyncio.get_running_loop().time
    began_s = now()
    await Progress(writer, call, INTERVAL_S).run_beside(gate.reached())

    assert 0.9 < now() - began_s < 5
    assert 0 == writer.writing


async def test_a_caller_that_is_gone_gets_no_more(writer: RecordingWriter, call: Call) -> None:
    writer.failure = grpc.aio.InternalError("gone")
    tried: list[None] = []

    async def work() -> None:
        await eventually(lambda: writer.most_writing > 0)
        await passed(3 * INTERVAL_S)
        tried.append(None)

    await Progress(writer, call, INTERVAL_S).run_beside(work())

    assert [None] == tried
    assert [] == writer.sent


def test_every_phase_has_its_own_number() -> None:
    assert set(PHASES) == set(Phase)
    assert len(PHASES) == len(set(PHASES.values()))
