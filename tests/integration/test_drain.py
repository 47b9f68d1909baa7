import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from llmsvc_server.lifecycle import StopSignals, drain
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.http2_connection import Http2Connection, Kind, http2_connection
from tests.fakes.ollama_steps import done, token
from tests.fakes.requests import chat_message
from tests.fakes.running_service import RunningService, over_ollama, running_service

FAR_S = 20 * PATIENCE_S
"""What a drain waits for where it must not wait."""


async def draining(
    service: RunningService, stop: StopSignals, *, pre_drain_s: float = 0.0, grace_s: float = FAR_S
) -> None:
    stop.receive(signal.SIGTERM)
    await drain(service.app, stop, service.reporter, pre_drain_s=pre_drain_s, grace_s=grace_s)


async def text_of(service: RunningService) -> str:
    stream = service.stub.ChatStream(chat_message())
    return "".join([message.delta.text async for message in stream])


def told(error: grpc.aio.AioRpcError) -> tuple[grpc.StatusCode, str, str]:
    """Return code, reason and cause."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # its stub knows sync calls only
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return error.code(), info.reason, info.metadata.get("cause", "")


@asynccontextmanager
async def untaken() -> AsyncIterator[tuple[RunningService, Http2Connection, int]]:
    """Yield a service whose caller takes nothing of a whole answer: both, and the call's stream."""
    request = chat_message().SerializeToString()
    async with FakeOllama(models=("phi3:mini",)) as fake:
        fake.will(token("x" * 200_000), done())
        async with (
            running_service(over_ollama(fake)) as service,
            http2_connection(service.address) as connection,
        ):
            stream = connection.call("/llmsvc.v1.LLMService/Chat", request)
            await eventually(lambda: bool(service.reporter.rpcs))
            yield service, connection, stream


async def test_with_nothing_running_it_ends_at_once() -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake)) as service,
        asyncio.timeout(PATIENCE_S),
    ):
        await draining(service, StopSignals())

        assert service.app.board.draining


async def test_a_running_stream_finishes() -> None:
    gate = Gate()
    async with FakeOllama(models=("phi3:mini",)) as fake:
        fake.will(token("a"), gate, token("b"), done())
        async with running_service(over_ollama(fake)) as service, asyncio.TaskGroup() as group:
            answer = group.create_task(text_of(service))
            await gate.reached()
            ending = group.create_task(draining(service, StopSignals()))
            await eventually(lambda: service.app.board.draining)
            gate.open()
            await ending

    assert "ab" == await answer


async def test_a_whole_answer_that_its_caller_still_takes_is_delivered() -> None:
    data = b""
    async with untaken() as (service, connection, stream), asyncio.TaskGroup() as group:
        ending = group.create_task(draining(service, StopSignals()))
        ended, _ = await asyncio.wait([ending], timeout=2)
        connection.take(stream, 300_000)
        async for frame in connection.frames():
            data += frame.payload if frame.kind == Kind.DATA else b""
        await ending

    assert not ended
    assert b"x" * 200_000 in data


async def test_a_second_signal_waits_for_no_caller_that_does_not_read() -> None:
    stop = StopSignals()
    async with untaken() as (service, _, _), asyncio.TaskGroup() as group:
        ending = group.create_task(draining(service, stop))
        await eventually(lambda: service.app.board.draining)
        stop.receive(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            await ending


async def test_after_the_grace_a_stream_ends_with_a_status_of_its_own() -> None:
    gate = Gate()
    async with FakeOllama(models=("phi3:mini",)) as fake:
        fake.will(token("a"), gate)
        async with running_service(over_ollama(fake)) as service, asyncio.TaskGroup() as group:
            answer = group.create_task(_failure_of(text_of(service)))
            await gate.reached()
            await draining(service, StopSignals(), grace_s=0.05)
            await fake.client_gone(1)

    assert (grpc.StatusCode.ABORTED, "STREAM_INTERRUPTED", "drain") == told(await answer)


async def test_after_the_grace_a_call_without_content_may_go_elsewhere() -> None:
    gate = Gate()
    async with FakeOllama(models=("phi3:mini",)) as fake:
        fake.will(gate)
        async with running_service(over_ollama(fake)) as service, asyncio.TaskGroup() as group:
            answer = group.create_task(_failure_of(text_of(service)))
            await gate.reached()
            await draining(service, StopSignals(), grace_s=0.05)

    assert (grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING", "") == told(await answer)


async def test_who_waits_in_a_queue_is_sent_away_while_the_running_one_finishes() -> None:
    gate = Gate()
    async with FakeOllama(models=("phi3:mini",)) as fake:
        fake.will(token("a"), gate, done())
        async with running_service(over_ollama(fake)) as service, asyncio.TaskGroup() as group:
            running = group.create_task(text_of(service))
            await gate.reached()
            waiting = group.create_task(_failure_of(text_of(service)))
            await eventually(lambda: len(service.app.in_flight) == 2)
            ending = group.create_task(draining(service, StopSignals()))
            sent_away = await waiting
            gate.open()
            await ending

    assert "a" == await running
    assert (grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING", "") == told(sent_away)


async def test_a_second_signal_ends_what_is_left_at_once() -> None:
    gate = Gate()
    stop = StopSignals()
    async with FakeOllama(models=("phi3:mini",)) as fake:
        fake.will(token("a"), gate)
        async with running_service(over_ollama(fake)) as service, asyncio.TaskGroup() as group:
            answer = group.create_task(_failure_of(text_of(service)))
            await gate.reached()
            ending = group.create_task(draining(service, stop, pre_drain_s=FAR_S))
            await eventually(lambda: service.app.board.draining)
            stop.receive(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE_S):
                await ending

    assert (grpc.StatusCode.ABORTED, "STREAM_INTERRUPTED", "drain") == told(await answer)


async def test_before_the_gate_closes_calls_are_still_taken_while_health_says_no() -> None:
    stop = StopSignals()
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake)) as service,
        asyncio.TaskGroup() as group,
    ):
        health = health_pb2_grpc.HealthStub(service.channel)
        await eventually(lambda: service.app.board.table["readiness"])
        watch = aiter(health.Watch(health_pb2.HealthCheckRequest(service="readiness")))
        await anext(watch)
        ending = group.create_task(draining(service, stop, pre_drain_s=FAR_S))
        await eventually(lambda: service.app.board.draining)
        answer = await text_of(service)
        ready = await health.Check(health_pb2.HealthCheckRequest(service="readiness"))
        alive = await health.Check(health_pb2.HealthCheckRequest(service="liveness"))
        watched = [message.status async for message in watch]
        stop.receive(signal.SIGTERM)
        await ending

    assert answer
    assert health_pb2.HealthCheckResponse.NOT_SERVING == ready.status
    assert health_pb2.HealthCheckResponse.SERVING == alive.status
    assert health_pb2.HealthCheckResponse.NOT_SERVING == watched[-1]


async def test_afterwards_calls_are_refused() -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake)) as service,
    ):
        await draining(service, StopSignals())
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await service.stub.Chat(chat_message())

    assert grpc.StatusCode.UNAVAILABLE == refused.value.code()


async def test_who_calls_without_a_pause_is_refused_once_and_then_has_no_connection() -> None:
    gate = Gate()
    async with FakeOllama(models=("phi3:mini",)) as fake:
        fake.will(token("a"), gate, done())
        async with running_service(over_ollama(fake)) as service, asyncio.TaskGroup() as group:
            running = group.create_task(text_of(service))
            await gate.reached()
            callers = [group.create_task(_refusals(service)) for _ in range(20)]
            ending = group.create_task(draining(service, StopSignals()))
            refusals = [await caller for caller in callers]
            gate.open()
            await ending

    assert [["SERVER_DRAINING"]] * 20 == refusals
    assert "a" == await running


async def _refusals(service: RunningService) -> list[str]:
    """Call again and again; return the reasons of all refusals until there is no connection."""
    refusals: list[str] = []
    while True:
        error = await _failure_of(service.stub.Chat(chat_message()))
        if rpc_status.from_call(error) is None:  # type: ignore[arg-type]  # as above
            return refusals
        refusals.append(told(error)[1])


async def _failure_of(call: Awaitable[object]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return failed.value
