"""Twenty callers who ask one after another, and an account of what each call came to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum

import grpc

from llmsvc.v1 import llm_pb2
from tests.contract.told import told
from tests.live.service import Service

CALLERS = 20
READS_S = 0.2  # what a caller does between two calls
PATIENCE_S = 30.0  # leaves every fallback its time


class Way(StrEnum):
    """Which call is made."""

    CHAT = "Chat"
    STREAM = "ChatStream"


@dataclass(slots=True, kw_only=True)
class Call:
    """One call.

    Attributes:
        way: Which.
        began_at_s: When it was made, on the loop's clock.
        ended_at_s: When its status came; infinite before.
        code: Name of its status; empty before there is one.
        reason: The error's; empty on success.
        provider: Who answered, or had begun to; empty if nobody had.
        text: What came, in one piece or in many.
    """

    way: Way
    began_at_s: float
    ended_at_s: float = float("inf")
    code: str = ""
    reason: str = ""
    provider: str = ""
    text: str = ""


@dataclass(slots=True)
class Traffic:
    """What callers did so far.

    Attributes:
        calls: Every call, in the order in which they began.
        ready: Whether the service was ready, at first and at each change.
    """

    calls: list[Call] = field(default_factory=list)
    ready: list[bool] = field(default_factory=list)
    over: bool = False

    def answered(self, provider: str, *, since_s: float = 0.0) -> list[Call]:
        """Return the calls that a provider answered whole, and that began after `since_s`."""
        return [
            call
            for call in self.calls
            if call.code == "OK" and call.provider == provider and call.began_at_s >= since_s
        ]

    @property
    def failed(self) -> list[Call]:
        """The calls that ended in an error."""
        return [call for call in self.calls if call.code not in {"", "OK"}]

    @property
    def in_mid_stream(self) -> list[Call]:
        """The streams that have brought text, and no end yet."""
        return [call for call in self.calls if call.text and not call.code]

    async def go(self, served: Service, request: llm_pb2.ChatRequest, way: Way) -> None:
        """Make one call after another until it is over."""
        loop = asyncio.get_running_loop()
        ask = {Way.CHAT: _chat, Way.STREAM: _stream}[way]
        while not self.over:
            call = Call(way=way, began_at_s=loop.time())
            self.calls.append(call)
            try:
                await ask(served, request, call)
                call.code = "OK"
            except grpc.aio.AioRpcError as error:
                failure = told(error)
                call.code, call.reason = failure.code, failure.reason
            call.ended_at_s = loop.time()
            await asyncio.sleep(READS_S)


async def _chat(served: Service, request: llm_pb2.ChatRequest, call: Call) -> None:
    answer = await served.chat(request, within_s=PATIENCE_S)
    call.provider = answer.route.provider
    call.text = "".join(part.text for part in answer.message.parts)


async def _stream(served: Service, request: llm_pb2.ChatRequest, call: Call) -> None:
    completed = False
    async for event in served.stub.ChatStream(request, timeout=PATIENCE_S):
        assert not completed, "something follows the end"
        match event.WhichOneof("event"):
            case "started":
                assert not call.provider, "two beginnings"
                call.provider = event.started.route.provider
            case "delta":
                assert call.provider, "text before the beginning"
                call.text += event.delta.text
            case "completed":
                completed = True
                assert call.provider == event.completed.route.provider
            case _:
                pass
    assert completed, "no end"


@asynccontextmanager
async def traffic(served: Service, request: llm_pb2.ChatRequest) -> AsyncIterator[Traffic]:
    """Let twenty callers ask, every second one for streams; at the end each call has its status."""
    so_far = Traffic()
    async with asyncio.TaskGroup() as group:
        following = group.create_task(served.follow("readiness", so_far.ready))
        async with asyncio.TaskGroup() as callers:
            for number in range(CALLERS):
                way = Way.STREAM if number % 2 else Way.CHAT
                callers.create_task(so_far.go(served, request, way))
            try:
                yield so_far
            finally:
                so_far.over = True
        following.cancel()
