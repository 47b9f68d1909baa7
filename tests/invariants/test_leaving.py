"""Invariant 6: whoever leaves, in whatever phase, leaves nothing behind (docs/invariants.md)."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import grpc
import pytest

from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.requests import chat_message
from tests.fakes.running_service import RunningService, Tree, running_service
from tests.invariants.full_backlog import FullBacklog
from tests.invariants.several import check_closed, nothing_runs, several
from tests.scenarios.fault_server import FaultServer
from tests.scenarios.protocols import KEY, Protocol
from tests.scenarios.stage import Stage, Way
from tests.scenarios.steps import Begin, Say, Silence, Turn, answer

CLOSED_WITHIN_S = 0.5
"""Twice what the rule allows: a loaded machine runs the test as well."""

ONE_AT_A_TIME: Mapping[Protocol, Tree] = {
    Protocol.OLLAMA: {"max_in_flight_per_model": 1},
    Protocol.OPENAI: {"max_in_flight": 1},
    Protocol.ANTHROPIC: {"max_in_flight": 1},
}
ONCE_ASKED: Mapping[str, Turn] = {
    "before any byte": [Silence()],
    "after the headers": [Begin(), Silence()],
    "after the first token": [Begin(), Say("a"), Silence()],
}


def call(service: RunningService, way: Way) -> grpc.aio.Call:
    """Begin the call that will be left."""
    method = service.stub.Chat if way is Way.CHAT else service.stub.ChatStream
    return method(chat_message("leaver"))


def leavers(stage: Stage) -> list[bool]:
    """Return, of each chat upstream that was the leaver's, whether its socket was closed."""
    return [chat.left for chat in stage.primary.chats if b"leaver" in chat.body]


async def check_nothing_left(stage: Stage, way: Way) -> None:
    """Check that no call, slot, handler or verdict stays, and that the next one is answered."""
    await nothing_runs(stage.service)
    stage.primary.always(answer())

    assert "OK" == (await stage.ask(way, timeout_s=5)).code
    check_closed(stage.service)


@asynccontextmanager
async def alone(protocol: Protocol, **more: object) -> AsyncIterator[Stage]:
    """Run the service over one upstream, with further settings of its entry."""
    servers = {"primary": FaultServer(protocol)}
    async with several(servers, entries={"primary": more}) as stage:
        yield stage


@pytest.mark.parametrize("turn", ONCE_ASKED.values(), ids=ONCE_ASKED.keys())
async def test_invariant_06_a_cancel_closes_the_upstreams_socket(
    protocol: Protocol, way: Way, turn: Turn
) -> None:
    async with alone(protocol) as stage:
        stage.primary.always(turn)
        leaver = call(stage.service, way)
        await eventually(lambda: [False] == leavers(stage))
        leaver.cancel()

        await eventually(lambda: [True] == leavers(stage), within_s=CLOSED_WITHIN_S)
        await check_nothing_left(stage, way)
        assert not stage.primary.running


async def test_invariant_06_who_leaves_the_queue_was_never_there(
    protocol: Protocol, way: Way
) -> None:
    async with alone(protocol, **ONE_AT_A_TIME[protocol]) as stage, asyncio.TaskGroup() as group:
        gate = Gate()
        stage.primary.will([Begin(), gate, *answer()[1:]])
        first = group.create_task(stage.ask(way, text="first"))
        await gate.reached()
        leaver = call(stage.service, way)
        await eventually(lambda: len(stage.service.app.in_flight) == 2)
        leaver.cancel()
        await eventually(lambda: len(stage.service.app.in_flight) == 1, within_s=CLOSED_WITHIN_S)
        gate.open()

        assert "OK" == (await first).code
        await check_nothing_left(stage, way)
        assert [] == leavers(stage)


async def test_invariant_06_the_load_survives_who_waited_for_it(way: Way) -> None:
    async with alone(Protocol.OLLAMA) as stage:
        stage.primary.in_memory = False
        stage.primary.loading = Gate()
        loads = stage.service.app.providers.upstreams["primary"].endpoints[0].loads
        await eventually(lambda: not loads.is_loaded(stage.primary.model))
        leaver = call(stage.service, way)
        await stage.primary.loading.reached()
        leaver.cancel()
        await nothing_runs(stage.service)

        assert 1 == stage.primary.loading.waiting
        stage.primary.loading.open()
        await check_nothing_left(stage, way)
        assert 1 == stage.primary.loads
        assert [] == leavers(stage)


async def test_invariant_06_who_leaves_while_connecting_closes_that_socket(way: Way) -> None:
    with FullBacklog() as full:
        entry = {"kind": "openai", "base_url": full.base_url, "model": "m", "api_key": KEY}
        llm = {"providers": {"primary": entry}, "default_provider": "primary"}
        async with running_service(llm) as service:
            leaver = call(service, way)
            await eventually(lambda: full.half_made == 1)
            leaver.cancel()

            await eventually(lambda: full.half_made == 0, within_s=CLOSED_WITHIN_S)
            await nothing_runs(service)
            check_closed(service)
