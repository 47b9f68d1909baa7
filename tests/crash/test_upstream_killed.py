"""The upstream's process is killed under running calls: each is told so, and the service lives."""

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from llmsvc.v1 import llm_pb2
from tests.crash.scripts import started
from tests.fakes.eventually import eventually
from tests.fakes.requests import chat_message
from tests.fakes.running_service import RunningService, running_service
from tests.integration.calling import failure_of, text_of, whole

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
LINE_LIMIT_S = 30


@dataclass(frozen=True, slots=True)
class Upstream:
    """A process that the test kills."""

    process: Process

    async def line(self) -> str:
        """Return the next line that it prints."""
        assert self.process.stdout is not None
        async with asyncio.timeout(LINE_LIMIT_S):
            return (await self.process.stdout.readline()).decode().strip()

    async def kill(self) -> None:
        """End it as `kill -9` does."""
        self.process.kill()
        await self.process.communicate()


@asynccontextmanager
async def service_over_process(
    *, sent: int, chats: int
) -> AsyncIterator[tuple[Upstream, RunningService]]:
    """Run a ready service over an upstream that stands still after `sent` tokens."""
    upstream = Upstream(await started("upstream", str(sent), str(chats)))
    try:
        entry = {
            "kind": "ollama",
            "base_url": await upstream.line(),
            "model": "phi3:mini",
            "max_in_flight_per_model": chats,
        }
        llm = {
            "providers": {"ollama": entry},
            "default_provider": "ollama",
            "fallback_sequence": [],
        }
        async with running_service(llm, health={"refresh_s": 0.1}) as service:
            await eventually(lambda: service.app.board.table["readiness"])
            yield upstream, service
    finally:
        if upstream.process.returncode is None:
            await upstream.kill()


async def nothing_left(service: RunningService) -> None:
    await eventually(
        lambda: (
            not len(service.app.in_flight)
            and not service.app.admission.running
            and not service.app.providers.is_busy("ollama")
        )
    )


async def health_after(service: RunningService) -> dict[str, int]:
    """Return what health says once the service has noticed."""
    await eventually(lambda: not service.app.board.table["readiness"])
    stub = health_pb2_grpc.HealthStub(service.channel)
    return {
        name: (await stub.Check(health_pb2.HealthCheckRequest(service=name))).status
        for name in ("liveness", "readiness", "provider/ollama")
    }


async def test_after_content_the_stream_is_told_that_it_broke_off() -> None:
    async with service_over_process(sent=1, chats=1) as (upstream, service):
        stream = aiter(service.stub.ChatStream(chat_message()))
        text = ""
        while not text:
            text = (await anext(stream)).delta.text
        said = await upstream.line()

        await upstream.kill()
        failure = await failure_of(anext(stream))
        await nothing_left(service)
        health = await health_after(service)

    assert ("t1", "waiting") == (text, said)
    assert ("ABORTED", "STREAM_INTERRUPTED") == (failure.code, failure.reason)
    assert "provider" == failure.metadata["cause"]
    assert "ollama" == failure.detail(llm_pb2.RouteInfo).provider
    assert -1 == failure.pushback_ms
    assert {"liveness": SERVING, "readiness": NOT_SERVING, "provider/ollama": NOT_SERVING} == health


async def test_before_content_both_methods_are_told_to_ask_again_later() -> None:
    async with service_over_process(sent=0, chats=2) as (upstream, service):
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(failure_of(one(service))) for one in (whole, text_of)]
            said = await upstream.line()
            await upstream.kill()
        failures = [call.result() for call in calls]
        await nothing_left(service)
        health = await health_after(service)

    assert "waiting" == said
    for failure in failures:
        assert "UNAVAILABLE" == failure.code
        assert -1 == failure.pushback_ms
        assert failure.reason in {"PROVIDER_ERROR", "PROVIDER_UNREACHABLE"}
        assert "ollama" == failure.metadata["provider"]
        assert failure.detail(error_details_pb2.RetryInfo).retry_delay.ToMilliseconds() > 0
    assert {"liveness": SERVING, "readiness": NOT_SERVING, "provider/ollama": NOT_SERVING} == health
