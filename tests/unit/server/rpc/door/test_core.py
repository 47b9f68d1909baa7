"""What the in-loop door takes from grpcio's private objects, name by name, over a real call.

A grpcio that changes one of them fails here first. See `llmsvc_server.rpc.door.core`.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from llmsvc_server.rpc.door import core

LOOK_S = 0.05
MAX_LOOKS = 600
METHOD = "/a.B/C"


class World:
    """A queue, a server on it, and one call that arrived."""

    def __init__(self) -> None:
        self.queue = core.CompletionQueue()
        self.server = core.CoreServer((("grpc.so_reuseport", 0),), core.NO_XDS)
        self.server.register_completion_queue(self.queue)
        self.port = self.server.add_http2_port(b"127.0.0.1:0")
        self.server.start()

    def event(self) -> Any:  # noqa: ANN401  gRPC's own
        """Return the next event."""
        for _ in range(MAX_LOOKS):
            event = self.queue.poll(time.time() + LOOK_S)  # noqa: TID251  gRPC's own clock
            if event.completion_type != core.NO_EVENT:
                return event
        raise AssertionError("no event came")

    def event_of(self, tag: object) -> Any:  # noqa: ANN401  as above
        """Return the event of a tag."""
        while True:
            event = self.event()
            if event.tag is tag:
                return event

    def stop(self) -> None:
        """Be over."""
        tag = object()
        self.server.shutdown(self.queue, tag)
        self.server.cancel_all_calls()
        self.event_of(tag)
        self.server.destroy()


@pytest.fixture
def world() -> Iterator[World]:
    """Give it, and end it."""
    one = World()
    yield one
    one.stop()


def test_an_empty_queue_says_so_at_once(world: World) -> None:
    event = world.queue.poll(0)

    assert (core.NO_EVENT, None) == (event.completion_type, event.tag)


def test_a_port_is_had_or_is_none(world: World) -> None:
    assert world.port > 0
    assert world.server.add_http2_port(b"192.0.2.1:1") == 0


def test_a_call_goes_through(world: World) -> None:
    arriving, receiving, sending, closing = object(), object(), object(), object()
    world.server.request_call(world.queue, world.queue, arriving)
    with (
        ThreadPoolExecutor(1) as thread,
        grpc.insecure_channel(f"127.0.0.1:{world.port}") as channel,
    ):
        method: Any = channel.unary_unary(METHOD)
        answer = thread.submit(method.with_call, b"ask", timeout=10, metadata=(("a", "b"),))
        arrived = world.event_of(arriving)
        call = arrived.call
        details = arrived.call_details
        begun = call.start_server_batch((core.ReceiveClose(core.NO_FLAGS),), closing)
        call.start_server_batch((core.ReceiveMessage(core.NO_FLAGS),), receiving)
        received = world.event_of(receiving)
        last = (
            core.SendHeaders((("first", "1"),), core.NO_FLAGS),
            core.SendMessage(b"answer", core.NO_FLAGS),
            core.SendStatus((("last", "2"),), grpc.StatusCode.OK.value[0], "", core.NO_FLAGS),
        )
        call.start_server_batch(last, sending)
        ends = {event.tag: event for event in (world.event(), world.event())}
        text, told = answer.result(10)

    assert arrived.success
    assert METHOD.encode() == details.method
    assert 0 < details.deadline - time.time() <= 10  # noqa: TID251  gRPC's own clock
    assert ("a", "b") in [tuple(one) for one in arrived.invocation_metadata]
    assert call.peer().startswith(b"ipv4:127.0.0.1:")
    assert core.OK == begun
    assert b"ask" == received.batch_operations[0].message()
    assert {sending, closing} == ends.keys()
    assert all(event.success for event in ends.values())
    assert not ends[closing].batch_operations[0].cancelled()
    assert b"answer" == text
    assert dict(told.initial_metadata())["first"] == "1"
    assert {"last": "2"} == dict(told.trailing_metadata())


def test_a_call_without_a_deadline_is_cancelled_from_here(world: World) -> None:
    arriving, closing = object(), object()
    world.server.request_call(world.queue, world.queue, arriving)
    with (
        ThreadPoolExecutor(1) as thread,
        grpc.insecure_channel(f"127.0.0.1:{world.port}") as channel,
    ):
        method: Any = channel.unary_unary(METHOD)
        answer = thread.submit(method, b"ask")
        arrived = world.event_of(arriving)
        arrived.call.start_server_batch((core.ReceiveClose(core.NO_FLAGS),), closing)
        arrived.call.cancel()
        closed = world.event_of(closing)
        failure = answer.exception(10)

    assert arrived.call_details.deadline >= core.NO_DEADLINE_S
    assert closed.batch_operations[0].cancelled()
    assert isinstance(failure, grpc.RpcError)


def test_what_waits_for_calls_fails_when_the_server_stops() -> None:
    world, arriving, over = World(), object(), object()
    world.server.request_call(world.queue, world.queue, arriving)
    world.server.shutdown(world.queue, over)
    events = {event.tag: event.success for event in (world.event(), world.event())}
    world.server.destroy()

    assert {arriving: False, over: True} == events
