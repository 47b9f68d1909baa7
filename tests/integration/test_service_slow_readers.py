"""A caller that does not read, over a real socket: it costs the others a moment, and no place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_server.rpc.server import LLM_SERVICE
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.http2_connection import Http2Connection, http2_connection
from tests.fakes.ollama_steps import Script, done, silent, token
from tests.fakes.requests import chat_message
from tests.fakes.running_service import RunningService, over_ollama, running_service
from tests.integration.calling import failure_of, whole

STREAM = f"/{LLM_SERVICE}/ChatStream"
LONG = [token("x" * 4_000)] * 25
"""More than the 64 KiB for which a caller leaves room that says nothing else."""


@asynccontextmanager
async def stalled(
    *script: Script, callers: int = 1, **limits: float
) -> AsyncIterator[tuple[FakeOllama, RunningService, Http2Connection]]:
    """Let callers on one connection ask for what `script` answers, and read none of it."""
    request = chat_message("slow").SerializeToString()
    async with FakeOllama(models=("phi3:mini",), loaded=("phi3:mini",)) as fake:
        fake.will(*script, when=lambda one: b"slow" in one.body, times=999)
        async with (
            running_service(over_ollama(fake, max_queued=100), limits=limits) as service,
            http2_connection(service.address) as connection,
        ):
            await service.app.providers.inventory.wait_for_first_poll()
            for _ in range(callers):
                connection.call(STREAM, request)
            await connection.drain()
            await fake.received()
            yield fake, service, connection


async def test_its_upstream_is_left_and_its_place_is_free() -> None:
    async with stalled(LONG, silent(), write_timeout_s=0.3) as (fake, service, _):
        left = await fake.client_gone()
        answer = await whole(service)

        assert not left.connection.open
        assert fake.conversation.answer == answer
        await eventually(lambda: not service.app.admission.running)
        report = service.reporter.rpcs[0]
        told = (report.code, report.reason, report.cause)
        assert ("ABORTED", "STREAM_INTERRUPTED", "slowReader") == told


@pytest.mark.parametrize("callers", [1, 65])
async def test_a_place_is_free_once_the_whole_answer_has_come(callers: int) -> None:
    async with stalled(LONG, done(), callers=callers) as (fake, service, _):
        answer = await whole(service)

        assert fake.conversation.answer == answer
        await eventually(lambda: len(fake.chats) == callers + 1)
        assert 1 == fake.most_in_flight
        assert callers == len(service.app.in_flight)


async def test_a_place_is_kept_while_more_of_the_answer_comes() -> None:
    async with stalled(LONG, silent()) as (_, service, __):
        reasons: list[str] = []
        while not any(reasons) and len(reasons) < 3:  # a busy machine may be too late with it
            waiting = service.stub.ChatStream(chat_message(), timeout=0.5 + len(reasons))
            reasons.append((await failure_of(waiting.read())).reason)

        assert "SERVER_OVERLOADED" == reasons[-1]
        assert 1 == service.app.providers.upstreams["ollama"].in_flight


async def test_what_came_whole_is_still_delivered_when_it_is_read() -> None:
    async with stalled(LONG, done()) as (fake, service, _):
        call = service.stub.ChatStream(chat_message("slow"), timeout=20)
        events = [message async for message in call]

        assert 100_000 == sum(len(message.delta.text) for message in events)
        assert llm_pb2.FINISH_REASON_STOP == events[-1].completed.finish_reason
        assert 2 == len(fake.chats)
