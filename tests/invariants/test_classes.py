"""Invariants 14 and 16 (docs/invariants.md): what a fault is taken for, which status follows."""

import asyncio

import pytest

from llmsvc_server.providers.anthropic import errors as anthropic
from llmsvc_server.providers.ollama import errors as ollama
from llmsvc_server.providers.openai import errors as openai
from tests.fakes.running_service import Tree
from tests.invariants.faults import AT_HOME, FAULTS, Expected
from tests.invariants.several import several
from tests.invariants.tripping import trip
from tests.invariants.turns import QUICK, refused
from tests.scenarios.fault_server import FaultServer
from tests.scenarios.protocols import Fault, Protocol
from tests.scenarios.stage import FALLBACK_OF, Way
from tests.scenarios.steps import Reset, Turn

ROWS = {
    Protocol.OLLAMA: {row.name for row in ollama.ROWS},
    Protocol.OPENAI: {row.name for row in openai.ROWS} - {one.row for one in AT_HOME},
    Protocol.ANTHROPIC: {row.name for row in anthropic.ROWS},
}
ALL: list[tuple[Protocol, Expected, Tree]] = [
    *(
        (protocol, fault, QUICK if fault.row == "C05" else {})
        for protocol in Protocol
        for fault in FAULTS[protocol]
    ),
    *((Protocol.OPENAI, fault, {"local": True}) for fault in AT_HOME),
]
OTHERS = ("second", "third", "fourth")
"""So many may follow that nobody asks the primary twice."""


async def taken_for(
    protocol: Protocol, turn: Turn, way: Way, more: Tree
) -> tuple[str, str, int, int]:
    """Return row, class, code and reason of the first attempt at an upstream that does this."""
    well = FaultServer(Protocol.ANTHROPIC)
    servers = {"primary": FaultServer(protocol), **dict.fromkeys(OTHERS, well)}
    async with several(servers, stands_still=True, entries={"primary": more}) as stage:
        stage.primary.always(turn)
        given = await stage.ask(way)
        error = stage.service.reporter.attempts[0].error
        assert error is not None
        first = given.route.attempts[0]

        assert "primary" == first.target.provider
        assert 1 == len(stage.primary.chats)
        return error.row, error.kind.value, first.status_code, first.reason


@pytest.mark.parametrize(
    ("protocol", "fault", "more"),
    ALL,
    ids=[f"{protocol}-{n}-{fault.row}" for n, (protocol, fault, _) in enumerate(ALL)],
)
async def test_invariant_14_a_fault_is_of_one_class_in_chat_and_chat_stream(
    protocol: Protocol, fault: Expected, more: Tree
) -> None:
    whole, streamed = await asyncio.gather(
        *(taken_for(protocol, fault.turn, way, more) for way in Way)
    )

    assert fault.row == whole[0]
    assert whole == streamed


def test_invariant_14_every_row_has_a_fault(protocol: Protocol) -> None:
    assert ROWS[protocol] <= {fault.row for fault in FAULTS[protocol]}


DOWN: dict[str, Turn] = {
    "UNAVAILABLE": [Reset()],
    "RESOURCE_EXHAUSTED": refused(Protocol.OPENAI, Fault.RATE_LIMIT),
}
LATER = (Fault.CALLER, Fault.CONTENT, Fault.CONTEXT, Fault.CREDENTIAL)


def and_openai(protocol: Protocol) -> dict[str, FaultServer]:
    """Return a primary of `protocol`, and an OpenAI-compatible fallback that can say anything."""
    return {"primary": FaultServer(protocol), "fallback": FaultServer(Protocol.OPENAI)}


@pytest.mark.parametrize("later", LATER)
@pytest.mark.parametrize(("code", "down"), DOWN.items(), ids=DOWN.keys())
async def test_invariant_16_a_later_refusal_never_changes_the_code(
    protocol: Protocol, way: Way, code: str, down: Turn, later: Fault
) -> None:
    async with several(and_openai(protocol), stands_still=True) as stage:
        assert stage.fallback is not None
        stage.primary.always(down)
        stage.fallback.always(refused(Protocol.OPENAI, later))
        given = await stage.ask(way)

        assert (code, "ALL_TARGETS_FAILED") == (given.code, given.reason)
        assert 1 == len(stage.fallback.chats)
        assert "fallback" == given.attempts[-1][0]


async def test_invariant_16_nor_does_it_after_a_breaker_that_is_open(
    protocol: Protocol, way: Way
) -> None:
    async with several(and_openai(protocol), stands_still=True) as stage:
        assert stage.fallback is not None
        await trip(stage)
        stage.fallback.always(refused(Protocol.OPENAI, Fault.CALLER))
        given = await stage.ask(way)

        assert ("UNAVAILABLE", "ALL_TARGETS_FAILED") == (given.code, given.reason)
        assert [
            ("primary", "BREAKER_OPEN"),
            ("fallback", "REQUEST_REJECTED_UPSTREAM"),
        ] == given.attempts


FIRST = [(protocol, Fault.CALLER) for protocol in Protocol] + [(Protocol.OPENAI, Fault.CONTENT)]


@pytest.mark.parametrize(("protocol", "fault"), FIRST)
async def test_invariant_16_a_first_refusal_of_the_request_is_one_call_in_all(
    protocol: Protocol, fault: Fault, way: Way
) -> None:
    servers = {"primary": FaultServer(protocol), "fallback": FaultServer(FALLBACK_OF[protocol])}
    async with several(servers) as stage:
        stage.primary.always(refused(protocol, fault))
        given = await stage.ask(way)

        assert "INVALID_ARGUMENT" == given.code
        assert [1, 0] == [len(server.chats) for server in servers.values()]
        assert 1 == len(given.attempts)
