"""The real service over an Ollama, and calls to it as a client of the contract makes them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from tests.fakes.server_process import config_file, server_process

HEALTH_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """A whole stream: the kinds of its events in order, its text, and its end."""

    kinds: tuple[str, ...]
    text: str
    completed: llm_pb2.ChatResponse


class Service:
    """A running llmsvc server, seen from outside."""

    def __init__(self, address: str, channel: grpc.aio.Channel) -> None:
        """Call the server at `address` over `channel`."""
        self.address = address
        self.stub: llm_pb2_grpc.LLMServiceAsyncStub = llm_pb2_grpc.LLMServiceStub(channel)
        self._health = health_pb2_grpc.HealthStub(channel)

    async def chat(self, request: llm_pb2.ChatRequest, *, within_s: float) -> llm_pb2.ChatResponse:
        """Return one answer, whole."""
        answer: llm_pb2.ChatResponse = await self.stub.Chat(request, timeout=within_s)
        return answer

    async def stream(self, request: llm_pb2.ChatRequest, *, within_s: float) -> Streamed:
        """Return one stream, read to its end."""
        events = [one async for one in self.stub.ChatStream(request, timeout=within_s)]
        return Streamed(
            kinds=tuple(str(event.WhichOneof("event")) for event in events),
            text="".join(event.delta.text for event in events),
            completed=events[-1].completed,
        )

    async def until(self, *, serving: bool, name: str = "readiness") -> None:
        """Return as soon as health says so.

        Raises:
            TimeoutError: It does not, within 20 s.
        """
        kinds = health_pb2.HealthCheckResponse
        wanted = kinds.SERVING if serving else kinds.NOT_SERVING
        watch = self._health.Watch(health_pb2.HealthCheckRequest(service=name))
        try:
            async with asyncio.timeout(HEALTH_LIMIT_S):
                async for answer in watch:
                    if answer.status == wanted:
                        return
        finally:
            watch.cancel()
        raise AssertionError("the server ended the watch")

    async def follow(self, name: str, states: list[bool]) -> None:
        """Add whether `name` serves to `states`, now and at each change, until cancelled."""
        watch = self._health.Watch(health_pb2.HealthCheckRequest(service=name))
        while (answer := await watch.read()) is not grpc.aio.EOF:
            states.append(answer.status == health_pb2.HealthCheckResponse.SERVING)


@asynccontextmanager
async def service(folder: Path, base_url: str, **entry: object) -> AsyncIterator[Service]:
    """Run the server over one Ollama, in a process of its own.

    Args:
        folder: For its configuration.
        base_url: The Ollama.
        entry: Settings of the provider's entry; `model` among them.
    """
    async with service_over(folder, ollama={"base_url": base_url, **entry}) as running:
        yield running


@asynccontextmanager
async def service_over(folder: Path, **entries: Mapping[str, object]) -> AsyncIterator[Service]:
    """Run the server over several providers, in a process of its own.

    Args:
        folder: For its configuration.
        entries: Settings of each provider, in the order in which they are asked.
    """
    first, *others = entries
    tree: Mapping[str, object] = {
        "llm": {"providers": entries, "default_provider": first, "fallback_sequence": others},
        "limits": {"max_output_tokens": 1_000_000},
        "health": {"refresh_s": 0.2},
    }
    async with (
        server_process(config_file(folder, tree)) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        yield Service(server.address, channel)
