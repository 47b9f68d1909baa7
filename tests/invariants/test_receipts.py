"""Invariant 18: what a receipt says of the way, and of what is not known (docs/invariants.md)."""

import asyncio
from collections.abc import Mapping

from llmsvc.v1 import llm_pb2
from tests.invariants.several import several
from tests.invariants.tripping import trip
from tests.scenarios.fault_server import FaultServer
from tests.scenarios.protocols import Fault, Protocol, refuse
from tests.scenarios.stage import Answer, Way
from tests.scenarios.steps import Begin, End, Raw, Say, Turn

UNCOUNTED: Mapping[Protocol, Turn] = {
    Protocol.OLLAMA: [
        Say("a"),
        Raw(b'{"message":{"content":""},"done":true,"done_reason":"stop"}\n'),
        End(),
    ],
    Protocol.OPENAI: [
        Begin(),
        Say("a"),
        Raw(b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'),
        End(),
    ],
    Protocol.ANTHROPIC: [
        Raw(
            b'event: message_start\ndata: {"type":"message_start","message":{"id":"m"}}\n\n'
            b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
            b'"content_block":{"type":"text","text":""}}\n\n'
        ),
        Say("a"),
        Raw(
            b'event: message_delta\ndata: {"type":"message_delta",'
            b'"delta":{"stop_reason":"end_turn"}}\n\n'
            b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
        ),
        End(),
    ],
}
"""Whole answers without a word on tokens."""


def usage_of(given: Answer) -> llm_pb2.Usage:
    """Return the usage of an answer."""
    assert given.response is not None, given.failure
    return given.response.usage


async def test_invariant_18_what_was_not_counted_is_unset(protocol: Protocol, way: Way) -> None:
    async with several({"primary": FaultServer(protocol)}) as stage:
        stage.primary.will(UNCOUNTED[protocol])
        unknown = usage_of(await stage.ask(way))
        known = usage_of(await stage.ask(way))

        assert [] == unknown.ListFields()
        assert (5, 7) == (known.input_tokens, known.output_tokens)


def three(protocol: Protocol) -> dict[str, FaultServer]:
    """Return an upstream of each protocol, this one first."""
    kinds = [protocol, *(one for one in Protocol if one is not protocol)]
    names = ("primary", "second", "third")
    return {name: FaultServer(kind) for name, kind in zip(names, kinds, strict=True)}


async def skipped_failed_answered(protocol: Protocol, way: Way) -> tuple[Answer, dict[str, int]]:
    """Return what a call gives, and the calls it made, where only the third is well."""
    servers = three(protocol)
    async with several(servers, stands_still=True) as stage:
        await trip(stage)
        second = servers["second"]
        second.always([refuse(second.protocol, Fault.UNAVAILABLE)])
        before = {name: len(server.chats) for name, server in servers.items()}
        given = await stage.ask(way)
        return given, {name: len(one.chats) - before[name] for name, one in servers.items()}


async def test_invariant_18_a_receipt_is_skips_and_calls_in_order(protocol: Protocol) -> None:
    for given, asked in await asyncio.gather(
        *(skipped_failed_answered(protocol, way) for way in Way)
    ):
        tried = given.route.attempts

        assert [
            ("primary", "BREAKER_OPEN"),
            ("second", "PROVIDER_ERROR"),
            ("second", "PROVIDER_ERROR"),
            ("third", "OK"),
        ] == given.attempts
        assert {"primary": 0, "second": 2, "third": 1} == asked
        assert [False, True, True, True] == [one.content_sent for one in tried]
        assert [False, True, True, True] == [one.HasField("elapsed_duration") for one in tried]
        assert "third" == given.route.provider


async def test_invariant_18_a_failures_receipt_is_as_complete(protocol: Protocol, way: Way) -> None:
    servers = three(protocol)
    async with several(servers, stands_still=True) as stage:
        await trip(stage)
        for name in ("second", "third"):
            servers[name].always([refuse(servers[name].protocol, Fault.CREDENTIAL)])
        given = await stage.ask(way)
        again = await stage.ask(way)

        assert (
            [
                ("primary", "BREAKER_OPEN"),
                ("second", "PROVIDER_CREDENTIALS_REJECTED"),
                ("third", "PROVIDER_CREDENTIALS_REJECTED"),
            ]
            == given.attempts
            == again.attempts
        )
        assert [False, True, True] == [one.content_sent for one in given.route.attempts]
        assert [False] * 3 == [one.content_sent for one in again.route.attempts]
        assert not given.route.provider
