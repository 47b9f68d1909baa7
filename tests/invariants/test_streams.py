"""Invariants 2 and 3: one status, one end, and one voice in every stream (docs/invariants.md)."""

import asyncio
import re

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.invariants.several import ROOMY, nothing_runs, several
from tests.invariants.streams import Streamed, check_shape, streamed
from tests.invariants.turns import NONSENSE, QUICK, programmes, refused
from tests.scenarios.fault_server import FaultServer
from tests.scenarios.protocols import Fault, Protocol
from tests.scenarios.stage import FALLBACK_OF
from tests.scenarios.steps import Begin, Cut, End, Frame, Marker, Raw, Reset, Say, Silence, Turn

CALLS = 8
FEW = settings(max_examples=6, deadline=None, phases=(Phase.reuse, Phase.generate))
NEVER_SAID = "no turn"


def limits(protocol: Protocol) -> dict[str, object]:
    """Return the settings of an entry that gives up soon and takes all calls at once."""
    return {**QUICK, **(ROOMY if protocol is Protocol.OLLAMA else {})}


async def all_of(protocol: Protocol, primary: list[Turn], fallback: list[Turn]) -> list[Streamed]:
    """Return what as many calls at once give where the upstreams do this with them."""
    second = FALLBACK_OF[protocol]
    servers = {
        "primary": FaultServer(protocol, says=NEVER_SAID),
        "fallback": FaultServer(second, says=NEVER_SAID),
    }
    entries = {"primary": limits(protocol), "fallback": limits(second)}
    async with several(servers, entries=entries) as stage:
        servers["primary"].will(*primary)
        servers["fallback"].will(*fallback)
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(streamed(stage.service)) for _ in range(CALLS)]
        await nothing_runs(stage.service)
        reports = stage.service.reporter.rpcs

        assert CALLS == len(reports)
        assert sorted(one.code for one in reports) == sorted(
            "OK" if call.result().failure is None else call.result().failure.code  # type: ignore[union-attr]  # None is OK
            for call in calls
        )
        return [call.result() for call in calls]


def check_one_voice(seen: Streamed) -> None:
    """Check that all text is one turn's, of the provider named at the beginning."""
    turns = set(re.findall(r"(\w+?)(\d+)\.", seen.text))

    assert len(turns) <= 1
    assert {name for name, _ in turns} <= {seen.answerer}


@pytest.mark.parametrize("protocol", Protocol)
@FEW
@given(data=st.data())
async def test_invariant_03_every_delta_is_of_the_attempt_that_started(
    protocol: Protocol, data: st.DataObject
) -> None:
    primary = data.draw(programmes(protocol, "primary", CALLS))
    fallback = data.draw(programmes(FALLBACK_OF[protocol], "fallback", CALLS))

    for seen in await all_of(protocol, primary, fallback):
        check_shape(seen)
        check_one_voice(seen)


BROKEN: dict[str, Turn] = {
    "cut": [Begin(), Say("primary0."), Cut()],
    "ended": [Begin(), Say("primary0."), End()],
    "stalled": [Begin(), Say("primary0."), Silence()],
    "spoilt": [Begin(), Say("primary0."), NONSENSE, Cut()],
}


@pytest.mark.parametrize("turn", BROKEN.values(), ids=BROKEN.keys())
async def test_invariant_03_after_content_nobody_else_is_asked(
    protocol: Protocol, turn: Turn
) -> None:
    servers = {"primary": FaultServer(protocol), "fallback": FaultServer(FALLBACK_OF[protocol])}
    async with several(servers, entries={"primary": limits(protocol)}) as stage:
        stage.primary.always(turn)
        seen = await streamed(stage.service)
        await nothing_runs(stage.service)

        assert "primary0." == seen.text
        assert seen.failure is not None
        assert "STREAM_INTERRUPTED" == seen.failure.reason
        assert [1, 0] == [len(server.chats) for server in servers.values()]


WELL: Turn = [Begin(), Say("a"), Say("b"), Marker(), Frame(), End()]
TURNS: dict[str, Turn] = {
    "whole": WELL,
    "empty": [Begin(), Marker(), Frame(), End()],
    "cut in mid-answer": [Begin(), Say("a"), Cut()],
    "ends without the marker": [Begin(), Say("a"), End()],
    "stalls": [Begin(), Say("a"), Silence()],
    "talks nonsense": [Begin(), Say("a"), NONSENSE, Say("b"), Marker(), Frame(), End()],
    "goes on after the end": [*WELL[:-1], Raw(b"data: more\n\n"), End()],
    "ends twice": [*WELL[:-1], Marker(), Frame(), End()],
    "is reset": [Reset()],
    "stays silent": [Silence()],
}


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS.keys())
async def test_invariant_02_one_status_and_completed_only_with_ok(
    protocol: Protocol, turn: Turn
) -> None:
    servers = {"primary": FaultServer(protocol)}
    async with several(servers, entries={"primary": limits(protocol)}) as stage:
        stage.primary.always(turn)
        seen = await streamed(stage.service)
        await nothing_runs(stage.service)
        (report,) = stage.service.reporter.rpcs

        check_shape(seen)
        assert report.code == ("OK" if seen.failure is None else seen.failure.code)


@pytest.mark.parametrize("fault", Fault)
async def test_invariant_02_a_refusal_is_one_status_and_no_event(fault: Fault) -> None:
    async with several({"primary": FaultServer(Protocol.OPENAI)}) as stage:
        stage.primary.always(refused(Protocol.OPENAI, fault))
        seen = await streamed(stage.service)
        await nothing_runs(stage.service)

        check_shape(seen)
        assert not seen.events
        assert 1 == len(stage.service.reporter.rpcs)
