"""Health.Watch: stays for names that do not exist, ends at a drain, leaves nothing."""

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from llmsvc_server.rpc.open_streams import OpenStreams
from tests.contract.calls import provider_of
from tests.contract.told import told
from tests.fakes.assembled import Assembled, assembled
from tests.fakes.eventually import PATIENCE_S

pytestmark = pytest.mark.usefixtures("nothing_left")
SERVING: int = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING: int = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN: int = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class Watching:
    """One watch."""

    def __init__(self, service: Assembled, name: str) -> None:
        health = health_pb2_grpc.HealthStub(service.channel)
        self._call = health.Watch(health_pb2.HealthCheckRequest(service=name), timeout=10)

    async def state(self) -> int:
        """Return the next state."""
        response = await self._call.read()
        assert response is not grpc.aio.EOF, "the watch has ended"
        state: int = response.status
        return state

    async def rest(self) -> list[int]:
        """Return the states that follow until the watch ends by itself."""
        states: list[int] = []
        while (response := await self._call.read()) is not grpc.aio.EOF:
            states.append(response.status)
        assert grpc.StatusCode.OK is await self._call.code()
        return states

    def cancel(self) -> None:
        self._call.cancel()


async def test_a_drain_turns_what_is_watched_and_ends_the_watch() -> None:
    async with assembled(provider_of()) as service:
        watches = [Watching(service, name) for name in ("readiness", "", "liveness", "nope")]
        before = [await one.state() for one in watches]
        service.board.drain()
        after = [await one.rest() for one in watches]

    assert [SERVING, SERVING, SERVING, UNKNOWN] == before
    assert [[NOT_SERVING], [NOT_SERVING], [], []] == after


async def test_a_watch_that_begins_during_a_drain_ends_at_once() -> None:
    async with assembled(provider_of()) as service:
        service.board.drain()
        states = await Watching(service, "readiness").rest()

    assert [NOT_SERVING] == states


async def test_a_name_that_comes_and_goes_is_followed() -> None:
    async with assembled(provider_of()) as service:
        watch = Watching(service, "model/phi3:mini")
        states = [await watch.state()]
        for table in ({"model/phi3:mini": True}, {"model/phi3:mini": False}, {"liveness": True}):
            service.board.publish(table)
            states.append(await watch.state())
        watch.cancel()

    assert [UNKNOWN, SERVING, NOT_SERVING, UNKNOWN] == states


async def test_changes_too_quick_to_be_told_end_in_the_one_that_lasts() -> None:
    async with assembled(provider_of()) as service:
        watch = Watching(service, "readiness")
        first = await watch.state()
        for serving in (False, True, False, True, False):
            service.board.publish({"readiness": serving})
        last = await watch.state()
        service.board.drain()
        rest = await watch.rest()

    assert (SERVING, NOT_SERVING, []) == (first, last, rest)


async def test_a_connection_has_so_many_watches_and_is_told_so() -> None:
    async with assembled(provider_of()) as service:
        watches = [Watching(service, "readiness") for _ in range(64)]
        for watch in watches:
            assert SERVING == await watch.state()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await Watching(service, "readiness").state()
        watches.pop().cancel()
        await watched_again(service)
        failure = told(raised.value)
        for watch in watches:
            watch.cancel()

    assert ("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED") == (failure.code, failure.reason)
    assert "64 streams of health Watch" in failure.message
    assert failure.request_id


async def watched_again(service: Assembled) -> None:
    """Return once a watch of this connection begins again."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            watch = Watching(service, "readiness")
            try:
                await watch.state()
            except grpc.aio.AioRpcError:
                continue
            watch.cancel()
            return


async def test_a_watch_that_lasts_too_long_is_told_so() -> None:
    bounds = OpenStreams("health Watch", per_connection=2, in_all=2, max_s=0.1)
    async with assembled(provider_of(), watching=bounds) as service:
        watch = Watching(service, "readiness")
        first = await watch.state()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await watch.state()

    assert SERVING == first
    assert ("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED") == (
        told(raised.value).code,
        told(raised.value).reason,
    )


@pytest.mark.parametrize("name", ["readiness", "nope"])
async def test_watchers_that_leave_leave_nothing(name: str) -> None:
    async with assembled(provider_of()) as service:
        watches = [Watching(service, name) for _ in range(50)]
        for watch in watches:
            _ = await watch.state()
        for watch in watches:
            watch.cancel()
        service.board.publish({"readiness": False})
        other = Watching(service, "readiness")
        state = await asyncio.wait_for(other.state(), timeout=PATIENCE_S)
        other.cancel()

    assert NOT_SERVING == state
