"""The server of the in-loop door, on a thread's pump: what no caller of tests/door can see."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from llmsvc_server.rpc.door.batch import Batch
from llmsvc_server.rpc.door.call import InLoopCall
from llmsvc_server.rpc.door.in_loop import InLoopDoor
from llmsvc_server.rpc.door.interface import Context, Handler, NoGuard
from tests.fakes.doors import ThreadPump
from tests.fakes.eventually import PATIENCE_S, eventually

METHOD = "/a.B/C"
NOT_SHARED = (("grpc.so_reuseport", 0),)


@asynccontextmanager
async def serving(
    method: Callable[[object, Context], Awaitable[object]],
) -> AsyncIterator[grpc.aio.Channel]:
    """Serve one method to one channel."""
    server = InLoopDoor(ThreadPump(asyncio.get_running_loop())).make_server(NoGuard(), NOT_SHARED)
    handler: Handler = grpc.stream_unary_rpc_method_handler(method)
    generic = grpc.method_handlers_generic_handler("a.B", {"C": handler})
    server.add_generic_rpc_handlers([generic])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(None)


async def test_a_method_that_gives_up_without_a_word_does_not_keep_its_caller() -> None:
    async def gives_up(_requests: object, _context: Context) -> object:
        raise asyncio.CancelledError

    async with serving(gives_up) as channel:
        call: Any = channel.unary_unary(METHOD)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(b"", timeout=10)

    assert raised.value.code() in {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN}


async def test_a_server_that_was_never_started_is_stopped() -> None:
    server = InLoopDoor(ThreadPump(asyncio.get_running_loop())).make_server(NoGuard(), NOT_SHARED)
    async with asyncio.timeout(PATIENCE_S):
        await server.stop(None)


async def test_a_server_that_was_stopped_twice_is_stopped() -> None:
    server = InLoopDoor(ThreadPump(asyncio.get_running_loop())).make_server(NoGuard(), NOT_SHARED)
    server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(server.stop(None), server.stop(None))


async def test_a_method_that_none_of_the_handlers_has_is_unimplemented() -> None:
    async def echo(_requests: object, context: Context) -> object:
        return await context.read()

    async with serving(echo) as channel:
        call: Any = channel.unary_unary(f"{METHOD}2")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(b"", timeout=10)

    assert grpc.StatusCode.UNIMPLEMENTED is raised.value.code()


async def test_an_address_that_cannot_be_had_is_told() -> None:
    server = InLoopDoor(ThreadPump(asyncio.get_running_loop())).make_server(NoGuard(), NOT_SHARED)
    with pytest.raises(RuntimeError, match="192"):
        server.add_insecure_port("192.0.2.1:1")  # of nobody (RFC 5737)


def kept() -> int:
    """Return how many calls, and batches of theirs, there are."""
    return sum(isinstance(one, Batch | InLoopCall) for one in gc.get_objects())


async def test_calls_that_are_over_leave_nothing_to_a_garbage_collector() -> None:
    async def echo(_requests: object, context: Context) -> object:
        return await context.read()

    async with serving(echo) as channel:
        call: Any = channel.unary_unary(METHOD)
        gc.collect()
        gc.disable()
        try:
            for _ in range(20):
                await call(b"x", timeout=10)
            # Callers may be told before their calls are let go; what is in a cycle stays.
            await eventually(lambda: kept() <= 1)
        finally:
            gc.enable()
