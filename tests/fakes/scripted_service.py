"""A real gRPC server on loopback that does what a test says, and writes down what it saw."""

import asyncio
from collections.abc import Awaitable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from typing_extensions import override

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from tests.fakes.gate import Gate
from tests.fakes.scripted_answers import Failing

_In = TypeVar("_In")
_Out = TypeVar("_Out")

Step = Message | Gate | Failing
"""Sent, waited at, or the end with an error. After its last step a call ends with OK."""


@dataclass(slots=True)
class SeenCall:
    """One call as it arrived, and how it ended: "", "ok", "failed" or "cancelled"."""

    request: llm_pb2.ChatRequest
    metadata: dict[str, str | bytes]
    time_remaining_s: float | None
    end: str = ""


@dataclass
class ScriptedService(llm_pb2_grpc.LLMServiceServicer, health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # untyped
    """The server; an async context manager. Chat and ChatStream follow the same scripts.

    Attributes:
        scripts: The steps of the first call, of the second, and so on; the last goes on for all
            further ones. A test sets them.
        states: Health by name. Other names are NOT_FOUND, or SERVICE_UNKNOWN for `Watch`.
        silent: Where health checks wait before they are answered. None: nowhere.
        options: Channel arguments of the server.
        calls: What arrived at Chat and ChatStream, oldest first.
        watched: The health names that were watched.
    """

    scripts: Sequence[Sequence[Step]] = ()
    states: dict[str, int] = field(
        default_factory=lambda: {"readiness": health_pb2.HealthCheckResponse.SERVING}
    )
    silent: Gate | None = None
    options: Sequence[tuple[str, int]] = ()
    calls: list[SeenCall] = field(default_factory=list)
    watched: list[str] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        """Serve on a free port of 127.0.0.1."""
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0), *self.options])
        llm_pb2_grpc.add_LLMServiceServicer_to_server(self, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop at once."""
        await self.kill()

    async def kill(self) -> None:
        """Break all calls and connections off."""
        await self._server.stop(None)

    @property
    def ends(self) -> list[str]:
        """How the calls ended, oldest first."""
        return [call.end for call in self.calls]

    @override
    async def Chat(
        self,
        request: llm_pb2.ChatRequest,
        context: grpc.aio.ServicerContext[llm_pb2.ChatRequest, llm_pb2.ChatResponse],
    ) -> llm_pb2.ChatResponse:
        """Follow the script to its first message, which is the answer."""
        call, steps = self._arrived(request, context)
        with _noting_the_end(call):
            for step in steps:
                match step:
                    case llm_pb2.ChatResponse():
                        return step
                    case _:
                        await _wait_or_fail(step, context)
            return llm_pb2.ChatResponse()

    @override
    async def ChatStream(  # type: ignore[override]  # a coroutine that writes, not a generator
        self,
        request: llm_pb2.ChatRequest,
        context: grpc.aio.ServicerContext[llm_pb2.ChatRequest, llm_pb2.ChatStreamResponse],
    ) -> None:
        """Follow the script to its end."""
        call, steps = self._arrived(request, context)
        with _noting_the_end(call):
            for step in steps:
                match step:
                    case llm_pb2.ChatStreamResponse():
                        await context.write(step)
                    case _:
                        await _wait_or_fail(step, context)

    async def Check(  # noqa: N802  gRPC's name
        self,
        request: health_pb2.HealthCheckRequest,
        context: grpc.aio.ServicerContext[
            health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
        ],
    ) -> health_pb2.HealthCheckResponse:
        """Answer from `states`."""
        if self.silent is not None:
            await self.silent.passed()
        if request.service not in self.states:
            await context.abort(grpc.StatusCode.NOT_FOUND, "No such name.")
        return health_pb2.HealthCheckResponse(status=self.states[request.service])

    async def Watch(  # noqa: N802  gRPC's name
        self,
        request: health_pb2.HealthCheckRequest,
        context: grpc.aio.ServicerContext[
            health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
        ],
    ) -> None:
        """Say the state once, and stay."""
        self.watched.append(request.service)
        unknown = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        state = self.states.get(request.service, unknown)
        await context.write(health_pb2.HealthCheckResponse(status=state))
        await asyncio.Event().wait()

    def _arrived(
        self, request: llm_pb2.ChatRequest, context: grpc.aio.ServicerContext[_In, _Out]
    ) -> tuple[SeenCall, Sequence[Step]]:
        metadata = dict(context.invocation_metadata() or ())
        call = SeenCall(request, metadata, context.time_remaining())
        steps = self.scripts[min(len(self.calls), len(self.scripts) - 1)]
        self.calls.append(call)
        return call, steps


@contextmanager
def _noting_the_end(call: SeenCall) -> Generator[None]:
    try:
        yield
    except grpc.aio.AbortError:
        call.end = "failed"
        raise
    except (asyncio.CancelledError, grpc.aio.InternalError):
        # A write on a call that the peer has left is grpc.aio's other form of a cancel.
        call.end = "cancelled"
        raise asyncio.CancelledError from None
    call.end = "ok"


async def _wait_or_fail(step: Step, context: grpc.aio.ServicerContext[_In, _Out]) -> None:
    match step:
        case Gate():
            await step.passed()
        case Failing():
            await context.abort(step.code, step.message, step.trailers)
        case _:
            raise AssertionError(f"no such step here: {type(step).__name__}")


async def interrupted(work: Awaitable[object], *, at: Gate) -> None:
    """Await `work`, and cancel it as soon as somebody stands at the gate.

    Raises:
        TimeoutError: It was cancelled.
    """
    async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as tasks:

        async def cancel_then() -> None:
            await at.reached()
            limit.reschedule(0)

        tasks.create_task(cancel_then())
        await work
