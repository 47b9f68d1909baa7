"""Messages to a caller that takes none, over an outlet that a test controls."""

import asyncio

import pytest

from llmsvc_server.chat.deadline import Deadline
from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.errors import StreamInterrupted
from llmsvc_server.failures import InterruptCause
from llmsvc_server.rpc.callinfo import Call
from llmsvc_server.rpc.deltas import encode_delta
from llmsvc_server.rpc.headers import Metadata
from llmsvc_server.rpc.timed_writer import TimedWriter
from llmsvc_server.watchdog import Watchdog
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate

MESSAGE = encode_delta("hello")
SHORT_S = 0.05


class GatedOutlet:
    """Takes nothing before its gate is open."""

    def __init__(self) -> None:
        self.gate = Gate()

    async def send_initial_metadata(self, initial_metadata: Metadata) -> None:  # noqa: ARG002  an outlet's
        await self.gate.passed()

    async def write(self, message: bytes) -> None:  # noqa: ARG002  an outlet's
        await self.gate.passed()


@pytest.fixture
def outlet() -> GatedOutlet:
    return GatedOutlet()


@pytest.fixture
async def call() -> Call:
    clock = asyncio.get_running_loop().time
    finish_by = Deadline(at_s=clock() + 60, clock=clock)
    return Call(
        method="/m",
        request_id="req-1",
        began_s=clock(),
        finish_by=finish_by,
        limit_s=None,
        receipt=Receipt(clock),
    )


async def test_a_message_that_is_taken_costs_nothing(outlet: GatedOutlet, call: Call) -> None:
    outlet.gate.open()
    with TimedWriter(Watchdog(), outlet, call, timeout_s=SHORT_S) as sending:
        await sending.send_initial_metadata(())
        await sending.write(MESSAGE)
        until_s = call.finish_by.clock() + 2 * SHORT_S
        # Between messages nobody is waited for.
        await eventually(lambda: call.finish_by.clock() >= until_s)

    assert 0 == call.unsent_bytes


async def test_one_that_is_not_taken_in_time_ends_the_stream(
    outlet: GatedOutlet, call: Call
) -> None:
    with (
        TimedWriter(Watchdog(), outlet, call, timeout_s=SHORT_S) as sending,
        pytest.raises(StreamInterrupted) as given_up,
    ):
        await sending.write(MESSAGE)

    assert InterruptCause.SLOW_READER is given_up.value.cause
    assert len(MESSAGE) == call.unsent_bytes


async def test_headers_are_not_waited_for_either(outlet: GatedOutlet, call: Call) -> None:
    with (
        TimedWriter(Watchdog(), outlet, call, timeout_s=SHORT_S) as sending,
        pytest.raises(StreamInterrupted),
    ):
        await sending.send_initial_metadata(())

    assert 0 == call.unsent_bytes


@pytest.mark.parametrize("message", [MESSAGE, None], ids=["a message", "headers"])
async def test_a_caller_that_leaves_meanwhile_has_left(
    outlet: GatedOutlet, call: Call, message: bytes | None
) -> None:
    async def send() -> None:
        with TimedWriter(Watchdog(), outlet, call, timeout_s=60) as sending:
            await (sending.send_initial_metadata(()) if message is None else sending.write(message))

    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(send())
        await outlet.gate.reached()
        leaving.cancel()

    assert leaving.cancelled()
    assert len(message or b"") == call.unsent_bytes
