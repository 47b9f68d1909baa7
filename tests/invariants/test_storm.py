"""Invariant 20: whatever happened, nothing is left of it (docs/invariants.md)."""

import asyncio
from collections.abc import Mapping
from functools import partial

import grpc
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.requests import chat_message
from tests.integration.calling import said
from tests.invariants.several import nothing_runs, several
from tests.invariants.turns import programmes
from tests.scenarios.fault_server import FaultServer
from tests.scenarios.protocols import Protocol
from tests.scenarios.stage import Stage, Way
from tests.scenarios.steps import answer

CALLS = 24
PLACES = 4
TURNS = 8
MOST_TRIALS = 2
SOON_S = 0.4
LIMITS = {
    "first_token_timeout_s": SOON_S,
    "idle_timeout_s": SOON_S,
    "max_in_flight": PLACES,
    "max_queued": CALLS,
}
FEW = settings(max_examples=2, deadline=None, phases=(Phase.reuse, Phase.generate))
WELL = "well again"


class Stormy(FaultServer):
    """An upstream whose storm can end before all of it has come."""

    def calm(self) -> None:
        """Answer every chat from now on."""
        self._turns.clear()
        self.always(answer(WELL))


def from_first(protocol: Protocol) -> dict[str, Stormy]:
    """Return an upstream of each protocol, this one first, by the protocols' names."""
    kinds = [protocol, *(one for one in Protocol if one is not protocol)]
    return {kind.value: Stormy(kind) for kind in kinds}


def limits(server: FaultServer) -> dict[str, object]:
    """Return settings with as many places, whatever the kind."""
    per_model = {"max_in_flight_per_model": PLACES}
    return {**LIMITS, **(per_model if server.protocol is Protocol.OLLAMA else {})}


async def asked(stage: Stage, name: str) -> str:
    """Return the text of one provider."""
    request = chat_message()
    request.routing_policy.targets.add(provider=name)
    return said(await stage.service.stub.Chat(request, timeout=10))


async def check_sockets(stage: Stage, servers: Mapping[str, FaultServer]) -> None:
    """Check that the sockets of a full house are all that is left open, and only while kept."""
    for name, server in servers.items():
        gate = Gate()
        server.always([gate, *answer(WELL)])
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(asked(stage, name)) for _ in range(PLACES)]
            await gate.reached(PLACES)
            gate.open()

        assert [WELL] * PLACES == [call.result() for call in calls]
    for server in servers.values():
        # Ollama is looked at over the same sockets, and closes each of them after a look.
        kept = 0 if server.protocol is Protocol.OLLAMA else PLACES
        await eventually(partial(_has_open, server, kept))


def _has_open(server: FaultServer, count: int) -> bool:
    return server.open_connections == count


async def storm(stage: Stage, leave: list[bool]) -> None:
    """Make calls both ways at once; some callers leave in the middle of whatever happens."""
    left: list[grpc.aio.Call] = []
    async with asyncio.TaskGroup() as group:
        for number, leaves in enumerate(leave):
            way = Way.STREAM if number % 2 else Way.CHAT
            if leaves:
                stub = stage.service.stub
                method = stub.Chat if way is Way.CHAT else stub.ChatStream
                left.append(method(chat_message()))
            else:
                group.create_task(stage.ask(way, timeout_s=10))
        await eventually(lambda: bool(stage.primary.chats))
        for call in left:
            call.cancel()


@pytest.mark.parametrize("protocol", Protocol)
@FEW
@given(data=st.data())
async def test_invariant_20_after_a_storm_nothing_is_left(
    protocol: Protocol, data: st.DataObject
) -> None:
    servers = from_first(protocol)
    scripts = {
        name: data.draw(programmes(server.protocol, name, TURNS))
        for name, server in servers.items()
    }
    leave = data.draw(st.lists(st.booleans(), min_size=CALLS, max_size=CALLS))
    entries = {name: limits(server) for name, server in servers.items()}
    async with several(servers, stands_still=True, entries=entries) as stage:
        await check_sockets(stage, servers)
        for name, script in scripts.items():
            servers[name].will(*script)
        await storm(stage, leave)
        await nothing_runs(stage.service)
        for server in servers.values():
            await server.all_over()
            server.calm()
        stage.clock.advance(1e6)
        after = [await asked(stage, name) for name in servers for _ in range(MOST_TRIALS)]

        assert {WELL} == set(after)
        await check_sockets(stage, servers)
        await nothing_runs(stage.service)
