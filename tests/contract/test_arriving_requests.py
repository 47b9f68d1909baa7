"""Requests that do not come, or come slowly: in time, in number, and each with a status."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.rpc import error_details_pb2

from llmsvc.v1 import llm_pb2
from tests.contract.calls import provider_of, reports, settled
from tests.contract.told import Told, told
from tests.fakes.assembled import Assembled, assembled
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.hosts import channel_from
from tests.fakes.requests import chat_message
from tests.fakes.scripted_provider import done

CHAT = "/llmsvc.v1.LLMService/Chat"
CHECK = "/grpc.health.v1.Health/Check"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
HI = chat_message().SerializeToString()

pytestmark = pytest.mark.usefixtures("nothing_left")


if TYPE_CHECKING:
    Begun = grpc.aio.StreamUnaryCall[bytes, bytes]
else:
    Begun = grpc.aio.StreamUnaryCall  # generic to a type checker only


async def begun(service: Assembled, method: str = CHAT) -> Begun:
    """Begin a call, and send no request."""
    connect: Any = service.channel.stream_unary(method)
    call: Begun = connect(timeout=20)
    await call.wait_for_connection()
    return call


async def outcome(call: Awaitable[object]) -> Told | None:
    """Return how a call failed, None if it did not."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return told(error)
    return None


async def sent(call: Begun) -> Told | None:
    """Send the request of a call; return how it failed, None if it did not."""
    await call.write(HI)
    return await outcome(call)


def what(end: Told | None) -> tuple[str, str]:
    return ("OK", "") if end is None else (end.code, end.reason)


async def test_a_request_that_never_comes_ends_at_the_calls_time_limit() -> None:
    provider = provider_of(done())
    async with assembled(provider, cap_s=0.5) as service:
        end = await outcome(await begun(service))
        await settled(service, provider)

    assert ("DEADLINE_EXCEEDED", "TIME_LIMIT_EXCEEDED") == what(end)
    assert [("DEADLINE_EXCEEDED", "TIME_LIMIT_EXCEEDED")] == reports(service)
    assert [] == provider.calls


async def test_a_drain_tells_those_whose_requests_still_come_to_go_elsewhere() -> None:
    provider = provider_of(done())
    async with assembled(provider) as service:
        call = await begun(service)
        await eventually(lambda: len(service.in_flight) == 1)
        service.in_flight.expire()
        end = await outcome(call)
        await settled(service, provider)

    assert ("UNAVAILABLE", "SERVER_DRAINING") == what(end)
    assert end is not None
    assert (end.pushback_ms or 0) > 0


async def test_with_the_gate_closed_nobodys_request_is_waited_for() -> None:
    provider = provider_of(done())
    async with assembled(provider) as service:
        calls = [await begun(service)]
        await eventually(lambda: len(service.in_flight) == 1)
        service.admission.close()
        service.in_flight.close()
        calls.append(await begun(service))
        ends = [await outcome(call) for call in calls]
        await settled(service, provider)

    assert [("UNAVAILABLE", "SERVER_DRAINING")] * 2 == [what(end) for end in ends]
    assert all((end.pushback_ms or 0) > 0 for end in ends if end is not None)
    assert [] == provider.calls


async def test_while_there_is_memory_any_number_may_take_its_time() -> None:
    provider = provider_of(done())
    async with assembled(provider, most_arriving=1) as service:
        calls = [await begun(service) for _ in range(5)]
        await eventually(lambda: len(service.in_flight) == 5)
        for call in calls:
            await call.write(HI)
        ends = [what(await outcome(call)) for call in calls]
        await settled(service, provider)

    assert [("OK", "")] * 5 == ends


async def test_when_memory_is_short_the_oldest_are_given_up_and_the_others_are_not() -> None:
    provider = provider_of(done())
    async with assembled(provider, most_arriving=3, is_memory_short=lambda: True) as service:
        calls = [await begun(service) for _ in range(6)]
        given_up = [await outcome(call) for call in calls[:3]]
        others = [what(await sent(calls[3]))]  # leaves a place to the next, however slowly it comes
        usual = await service.stub.Chat(chat_message(), timeout=10)
        others.extend([what(await sent(call)) for call in calls[4:]])
        await settled(service, provider)
    waits = [end.detail(error_details_pb2.RetryInfo).retry_delay.seconds for end in given_up if end]

    assert [("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED")] * 3 == [what(end) for end in given_up]
    assert [1, 1, 1] == waits
    assert llm_pb2.FINISH_REASON_STOP == usual.finish_reason
    assert [("OK", "")] * 3 == others


@pytest.mark.parametrize("method", [CHECK, REFLECTION])
async def test_health_and_reflection_are_given_up_alike(method: str) -> None:
    async with assembled(
        provider_of(done()), most_arriving=1, is_memory_short=lambda: True
    ) as service:
        calls = [await begun(service, method) for _ in range(2)]
        first = await outcome(calls[0])
        calls[1].cancel()

    assert first is not None
    assert "RESOURCE_EXHAUSTED" == first.code


async def test_requests_of_running_chats_have_a_bound_in_bytes() -> None:
    gate = Gate()
    provider = provider_of(gate, done())
    large = chat_message("x" * 600)
    async with assembled(provider, max_request_bytes=1_000) as service:
        running = service.stub.Chat(large, timeout=20)
        await gate.reached(1)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await service.stub.Chat(large, timeout=10)
        small = service.stub.Chat(chat_message(), timeout=20)
        await gate.reached(2)
        gate.open()
        answers = [await running, await small]
        again = await service.stub.Chat(large, timeout=10)
        await settled(service, provider)
    refused = told(raised.value)

    assert ("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED") == what(refused)
    assert 1 == refused.detail(error_details_pb2.RetryInfo).retry_delay.seconds
    assert [llm_pb2.FINISH_REASON_STOP] * 3 == [one.finish_reason for one in (*answers, again)]
    assert 0 == service.admission.request_bytes


async def test_a_host_whose_requests_take_all_bytes_leaves_some_for_others() -> None:
    gate = Gate()
    provider = provider_of(gate, done())
    async with (
        assembled(provider, max_request_bytes=8_000) as service,
        channel_from("127.0.0.7", service.address) as channel,
    ):
        running = [service.stub.Chat(chat_message("x" * 100), timeout=20) for _ in range(100)]
        await eventually(lambda: len(reports(service)) + len(provider.calls) == 100)
        asked = type(service.stub)(channel).Chat(chat_message("y" * 100), timeout=10)
        await eventually(lambda: len(reports(service)) + len(provider.calls) == 101)
        gate.open()
        answer = await asked
        outcomes = [await outcome(one) for one in running]
        await settled(service, provider)
    refused = [one for one in outcomes if one is not None]

    assert llm_pb2.FINISH_REASON_STOP == answer.finish_reason
    assert {("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED")} == {what(one) for one in refused}
    assert 0 == service.admission.request_bytes
