"""Many callers on one connection, each with one call after the other."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from tests.fakes.requests import chat_message

Call = Callable[[grpc.aio.Channel], Awaitable[object]]
PATIENCE_S = 60
# What makes grpcio open a connection of its own for a channel.
ALONE = (("grpc.use_local_subchannel_pool", 1),)


async def chat(channel: grpc.aio.Channel) -> None:
    """Ask and read the answer."""
    await llm_pb2_grpc.LLMServiceStub(channel).Chat(chat_message(), timeout=PATIENCE_S)


async def stream(channel: grpc.aio.Channel) -> None:
    """Ask and read a stream to its end."""
    events = [
        event.WhichOneof("event")
        async for event in llm_pb2_grpc.LLMServiceStub(channel).ChatStream(
            chat_message(), timeout=PATIENCE_S
        )
    ]
    assert "completed" == events[-1]


async def refused(channel: grpc.aio.Channel) -> None:
    """Ask for what every server refuses."""
    await llm_pb2_grpc.LLMServiceStub(channel).Chat(llm_pb2.ChatRequest(), timeout=PATIENCE_S)


async def left(channel: grpc.aio.Channel) -> None:
    """Leave a stream after its first event."""
    call = llm_pb2_grpc.LLMServiceStub(channel).ChatStream(chat_message(), timeout=PATIENCE_S)
    await call.read()
    call.cancel()


async def health(channel: grpc.aio.Channel) -> None:
    """Ask for the server's health."""
    stub = health_pb2_grpc.HealthStub(channel)
    await stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)


async def crowd(channel: grpc.aio.Channel, *kinds: Call, callers: int, each: int) -> Counter[str]:
    """Return how the calls ended: OK, or code and text.

    Args:
        channel: Where everybody calls.
        kinds: What they call, shared out among them.
        callers: How many call at once.
        each: How many calls each of them makes.
    """
    ends: Counter[str] = Counter()

    async def caller(call: Call) -> None:
        for _ in range(each):
            try:
                await call(channel)
            except grpc.aio.AioRpcError as error:
                ends[f"{error.code().name}: {error.details()}"] += 1
            else:
                ends["OK"] += 1

    async with asyncio.TaskGroup() as group:
        for number in range(callers):
            group.create_task(caller(kinds[number % len(kinds)]))
    return ends
