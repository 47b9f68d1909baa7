"""Calls of the asyncio client, and how they ended."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from llmsvc.v1 import llm_pb2
from tests.contract.told import Told, told
from tests.fakes.assembled import MODEL, Assembled
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.requests import chat_message
from tests.fakes.scripted_provider import ScriptedProvider, Step

if TYPE_CHECKING:
    Stream = grpc.aio.UnaryStreamCall[llm_pb2.ChatRequest, llm_pb2.ChatStreamResponse]
else:
    Stream = grpc.aio.UnaryStreamCall  # generic to a type checker only


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """One call that is over: the events that came, and the failure if it failed."""

    events: list[str | None]
    failure: Told | None

    @property
    def outcome(self) -> tuple[str, str]:
        """Code and reason."""
        return ("OK", "") if self.failure is None else (self.failure.code, self.failure.reason)


def provider_of(*steps: Step) -> ScriptedProvider:
    """Return a provider that has the default model and answers every call with `steps`."""
    return ScriptedProvider(*steps, models=[MODEL])


async def unary(service: Assembled, *, timeout_s: float | None = None) -> Ended:
    """Call Chat."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await service.stub.Chat(chat_message(), timeout=timeout_s)
    except grpc.aio.AioRpcError as error:
        return Ended(events=[], failure=told(error))
    return Ended(events=[], failure=None)


async def stream(service: Assembled, *, timeout_s: float | None = None) -> Ended:
    """Call ChatStream and read it to its end."""
    events: list[str | None] = []
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for message in service.stub.ChatStream(chat_message(), timeout=timeout_s):
                events.append(message.WhichOneof("event"))  # noqa: PERF401  the call may fail
    except grpc.aio.AioRpcError as error:
        return Ended(events=events, failure=told(error))
    return Ended(events=events, failure=None)


async def event_of(call: Stream) -> str | None:
    """Return the name of a stream's next event."""
    async with asyncio.timeout(PATIENCE_S):
        message = await call.read()
    assert isinstance(message, llm_pb2.ChatStreamResponse), "the stream is over"
    return message.WhichOneof("event")


async def settled(service: Assembled, provider: ScriptedProvider) -> None:
    """Wait until no call runs any more, anywhere.

    Raises:
        AssertionError: Something still did after five seconds.
    """
    await eventually(
        lambda: not (len(service.in_flight) or service.admission.running or provider.running)
    )


def reports(service: Assembled) -> list[tuple[str, str]]:
    """Return code and reason of each finished call, as it was reported."""
    return [(one.code, one.reason) for one in service.reporter.rpcs]


async def still_blocked(progress: list[float], *, for_s: float = 0.2) -> None:
    """Wait until nothing was added to `progress`, which holds loop times, for a while."""
    now = asyncio.get_running_loop().time
    await eventually(lambda: bool(progress) and now() - progress[-1] > for_s)
