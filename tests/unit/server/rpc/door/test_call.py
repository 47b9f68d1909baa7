"""One call over a core that does what a test says: what no caller can bring about at will."""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from typing_extensions import override

from llmsvc_server.rpc.door.batch import Batch
from llmsvc_server.rpc.door.call import MAX_AT_ONCE, InLoopCall
from llmsvc_server.rpc.door.core import NO_DEADLINE_S, OK
from llmsvc_server.rpc.door.pump import Pump

TOO_MANY_OPERATIONS = 8


@dataclass
class Core:
    """A call of gRPC's core. Its batches are over as soon as they are `answered`, done or `failing`."""

    answered: bool = False
    failing: bool = False
    answer: int = OK
    batches: list[Any] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    was_cancelled: bool = False

    def start_server_batch(self, operations: tuple[object, ...], tag: Any) -> int:  # noqa: ANN401  gRPC's own
        self.batches.append(tag)
        self.sizes.append(len(operations))
        if self.answered:
            tag(SimpleNamespace(success=not self.failing))
        return self.answer

    def cancel(self) -> None:
        self.was_cancelled = True

    def peer(self) -> bytes:
        return b"ipv4:127.0.0.1:1"


class NoPump(Pump):
    """Finds what is there already."""

    queue = None

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()

    @override
    def work_until(self, batch: Batch) -> bool:
        return batch.success is not None

    @override
    def look_soon(self) -> None:
        raise NotImplementedError

    @override
    def ask(self, request: object) -> None:
        raise NotImplementedError


def call_of(core: Core, deadline_s: float = NO_DEADLINE_S) -> InLoopCall:
    details = SimpleNamespace(method=b"/a.B/C", deadline=deadline_s)
    event = SimpleNamespace(call=core, call_details=details, invocation_metadata=(("a", "b"),))
    return InLoopCall(event, NoPump())


async def test_a_second_read_or_write_beside_the_first_is_refused_before_core_sees_it() -> None:
    core = Core()
    call = call_of(core)
    for does in (call.read, partial(call.write, b"x")):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await does()
        with pytest.raises(grpc.aio.InternalError):
            await does()

    assert len(core.batches) == 2


async def test_after_its_end_nothing_more_is_written() -> None:
    core = Core(answered=True)
    call = call_of(core)
    await call.end(grpc.StatusCode.OK)
    for more in (call.write(b"x"), call.end(grpc.StatusCode.OK)):
        with pytest.raises(grpc.aio.InternalError):
            await more

    assert len(core.batches) == 1


async def test_headers_go_with_the_first_message_and_never_again() -> None:
    core = Core(answered=True)
    call = call_of(core)
    await call.send_initial_metadata((("a", "b"),))
    await call.write(b"x")
    await call.send_initial_metadata((("c", "d"),))
    await call.write(b"y")
    await call.end(grpc.StatusCode.OK)

    assert [2, 1, 1] == core.sizes


async def test_a_batch_that_core_refuses_is_a_failure() -> None:
    with pytest.raises(grpc.aio.InternalError):
        await call_of(Core(answer=TOO_MANY_OPERATIONS)).write(b"x")


async def test_what_can_not_be_sent_since_the_caller_is_gone_is_a_failure() -> None:
    call = call_of(Core(answered=True, failing=True))
    for sent in (call.write(b"x"), call.end(grpc.StatusCode.OK)):
        with pytest.raises(grpc.aio.InternalError, match="the caller is gone"):
            await sent


async def test_a_call_that_nobody_ended_is_reset() -> None:
    core = Core()
    call_of(core).let_go()

    assert core.was_cancelled


async def test_one_that_was_ended_is_not() -> None:
    core = Core(answered=True)
    call = call_of(core)
    await call.end(grpc.StatusCode.OK)
    call.let_go()

    assert not core.was_cancelled


async def test_once_let_go_it_says_what_it_knew_and_sends_nothing() -> None:
    core = Core()
    asked, unasked = call_of(core), call_of(core)
    peer = asked.peer()
    for call in (asked, unasked):
        call.let_go()
        with pytest.raises(grpc.aio.InternalError):
            await call.write(b"x")

    assert ("ipv4:127.0.0.1:1", "") == (peer, unasked.peer())
    assert peer == asked.peer()
    assert [("a", "b")] == list(asked.invocation_metadata() or ())
    assert not core.batches


async def test_writes_that_never_wait_let_the_loop_do_something_else_now_and_then() -> None:
    call = call_of(Core(answered=True))
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1

    asyncio.get_running_loop().call_soon(turn)
    for _ in range(MAX_AT_ONCE - 1):
        await call.write(b"x")
    before = turns
    await call.write(b"x")

    assert (0, 1) == (before, turns)


async def test_a_deadline_that_is_over_leaves_no_time() -> None:
    assert call_of(Core(), deadline_s=1.0).time_remaining() == 0


async def test_a_message_is_written_as_its_method_serializes_it() -> None:
    call = call_of(Core(answered=True))
    seen: list[object] = []

    def serialize(message: object) -> bytes:
        seen.append(message)
        return b"x"

    call.serialize = serialize
    await call.write("a message")

    assert ["a message"] == seen
