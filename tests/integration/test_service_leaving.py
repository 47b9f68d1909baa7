"""Whoever leaves costs nothing: the upstream's socket closes, and the next call is answered."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
import pytest

from llmsvc.v1 import llm_pb2_grpc
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.ollama_record import Outcome
from tests.fakes.ollama_steps import Script, headers, silent, token
from tests.fakes.requests import chat_message
from tests.fakes.running_service import RunningService, over_ollama, running_service
from tests.integration.calling import whole

TIMEOUTS_S = (0.25, 1.0, 5.0)
"""On a busy machine the shortest may be over before the upstream is asked; the next one is tried then."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A moment of a call: what Ollama has done by then before it falls silent."""

    script: Script
    tokens: int = 0


STAGES = {
    "before_headers": Stage(silent()),
    "before_first_token": Stage((headers(), silent())),
    "after_empty_content": Stage((headers(), token(""), silent())),
    "in_mid_answer": Stage((token("a"), token("b"), silent()), tokens=2),
}
each_stage = pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES.keys())
each_method = pytest.mark.parametrize("unary", [True, False], ids=["Chat", "ChatStream"])

Call = grpc.aio.Call


def called(service: RunningService, *, unary: bool, timeout_s: float | None = None) -> Call:
    method = service.stub.Chat if unary else service.stub.ChatStream
    return method(chat_message("leaver"), timeout=timeout_s)


async def code_of(call: Call) -> str:
    """Return the status of a call, read to its end."""
    code = await call.code()
    return str(code.name)


async def nothing_left(service: RunningService) -> None:
    await eventually(
        lambda: (
            not len(service.app.in_flight)
            and not service.app.admission.running
            and not service.app.providers.is_busy("ollama")
        )
    )


@asynccontextmanager
async def service_over(
    script: Script, *, mock: bool = True
) -> AsyncIterator[tuple[FakeOllama, RunningService]]:
    async with FakeOllama(models=("phi3:mini",), loaded=("phi3:mini",)) as fake:
        fake.will(script, when=lambda one: b"leaver" in one.body, times=99)
        async with running_service(over_ollama(fake, mock=mock)) as service:
            inventory = service.app.providers.inventory
            await eventually(
                lambda: inventory.last_poll("ollama").reachable
            )  # else the mock answers
            yield fake, service


@each_stage
@each_method
async def test_a_cancel_closes_the_upstreams_socket(stage: Stage, *, unary: bool) -> None:
    async with service_over(stage.script) as (fake, service):
        call = called(service, unary=unary)
        reached = await fake.received()
        await eventually(lambda: reached.tokens_sent >= stage.tokens)

        call.cancel()

        left = await fake.client_gone(within_s=1)
        assert not left.connection.open
        await nothing_left(service)
        assert await whole(service) == fake.conversation.answer
        assert ["CANCELLED"] == [one.code for one in service.reporter.rpcs][:1]


@each_stage
@each_method
async def test_a_deadline_closes_the_upstreams_socket(stage: Stage, *, unary: bool) -> None:
    async with service_over(stage.script, mock=False) as (fake, service):
        for timeout_s in TIMEOUTS_S:
            code = await code_of(called(service, unary=unary, timeout_s=timeout_s))
            assert "DEADLINE_EXCEEDED" == code
            if fake.chats:
                break

        await fake.client_gone(within_s=1)

        await nothing_left(service)
        assert fake.conversation.answer == await whole(service)
        assert ["DEADLINE_EXCEEDED"] == [one.code for one in service.reporter.rpcs][:1]


async def by_cancel(call: Call) -> None:
    call.cancel()


async def by_deadline(call: Call) -> None:
    # Sent away while an answer could still come in time elsewhere: a second before the deadline.
    assert "RESOURCE_EXHAUSTED" == await code_of(call)


@each_method
@pytest.mark.parametrize(
    ("leave", "timeout_s"), [(by_cancel, None), (by_deadline, 1.2)], ids=["cancel", "deadline"]
)
async def test_who_leaves_the_queue_never_reaches_the_upstream(
    leave: Callable[[Call], Awaitable[None]], timeout_s: float | None, *, unary: bool
) -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake:
        fake.will(silent())
        async with running_service(over_ollama(fake)) as service:
            first = service.stub.ChatStream(chat_message())
            await fake.received()
            waiting = called(service, unary=unary, timeout_s=timeout_s)
            if timeout_s is None:
                await eventually(lambda: len(service.app.in_flight) == 2)
            await leave(waiting)
            await eventually(lambda: len(service.app.in_flight) == 1)
            first.cancel()

            assert fake.conversation.answer == await whole(service)
            assert [b"leaver" in chat.body for chat in fake.chats] == [False, False]
            await nothing_left(service)


@each_method
async def test_a_caller_that_vanishes_with_its_connection_is_noticed(*, unary: bool) -> None:
    async with service_over((token("a"), silent())) as (fake, service):
        async with grpc.aio.insecure_channel(service.address) as channel:
            stub = llm_pb2_grpc.LLMServiceStub(channel)
            call = (stub.Chat if unary else stub.ChatStream)(chat_message("leaver"))
            await fake.received()
            assert not call.done()

        await fake.client_gone(within_s=1)
        await nothing_left(service)
        assert fake.conversation.answer == await whole(service)


async def test_many_leavers_at_once_leave_nothing() -> None:
    async with service_over((token("a"), silent())) as (fake, service):
        calls = [called(service, unary=n % 2 == 0) for n in range(40)]
        await fake.received()
        await eventually(lambda: len(service.app.in_flight) == 40)
        for call in calls:
            call.cancel()
        await nothing_left(service)

        assert fake.conversation.answer == await whole(service)
        assert {Outcome.CLIENT_GONE, Outcome.COMPLETED} == {one.outcome for one in fake.chats}


async def test_a_caller_that_left_is_not_answered_by_the_mock() -> None:
    async with service_over(silent()) as (fake, service):
        call = called(service, unary=True)
        await fake.received()
        call.cancel()
        await nothing_left(service)

        assert [None] == [one.route for one in service.reporter.rpcs]


async def test_a_reader_who_stops_reading_does_not_hold_the_service_up() -> None:
    async with service_over(tuple(token("x" * 60_000) for _ in range(300))) as (fake, service):
        stalled = service.stub.ChatStream(chat_message("leaver"))
        await stalled.read()

        await fake.received()
        async with asyncio.timeout(PATIENCE_S):
            await eventually(lambda: len(service.app.in_flight) == 1)
            stalled.cancel()
            assert fake.conversation.answer == await whole(service)
        await nothing_left(service)
