"""S01 to S05, S12, S13, S14: what a primary refuses, and what follows (docs/scorecard.md)."""

import json

import pytest

from llmsvc.v1 import llm_pb2
from tests.scenarios.protocols import Fault, Protocol, refuse
from tests.scenarios.stage import FALLBACK_TEXT, Answer, Stage, Way, staged
from tests.scenarios.steps import Begin, Cut, End, Frame, Marker, Reset, Say, answer

PRIMARY_TEXT = "from the primary"


def check_failure(answer: Answer, code: str, reason: str, *, pushback_ms: int | None = -1) -> None:
    """Check what holds for every failed call."""
    assert (code, reason) == (answer.code, answer.reason)
    assert answer.failure is not None
    assert pushback_ms == answer.failure.pushback_ms
    assert answer.failure.request_id
    assert answer.route.attempts


async def check_healthy(stage: Stage, way: Way) -> None:
    """Check that nothing is left over, and that the next call is answered."""
    await stage.primary.all_over()
    stage.primary.always(answer())
    stage.clock.advance(3600)
    again = await stage.ask(way)

    assert "OK" == again.code
    assert 0 == sum(one.in_flight for one in stage.service.app.providers.upstreams.values())


async def test_s01_a_short_wait_is_waited_out(protocol: Protocol, way: Way, *, alone: bool) -> None:
    async with staged(protocol, alone=alone) as stage:
        stage.primary.will([refuse(protocol, Fault.RATE_LIMIT, retry_after="0.6")])
        given = await stage.ask(way)
        first, second = (chat.at_s for chat in stage.primary.chats)

        assert PRIMARY_TEXT == given.text
        assert second - first >= 0.6
        assert [("primary", "PROVIDER_RATE_LIMITED"), ("primary", "OK")] == given.attempts
        assert stage.fallback is None or not stage.fallback.chats


async def test_s01_a_long_wait_is_left_to_others(protocol: Protocol, way: Way) -> None:
    async with staged(protocol) as stage:
        stage.primary.will([refuse(protocol, Fault.RATE_LIMIT, retry_after="30")])
        given = await stage.ask(way)
        blocked = await stage.ask(way)

        assert [FALLBACK_TEXT] * 2 == [given.text, blocked.text]
        assert 1 == len(stage.primary.chats)
        assert [("primary", "PROVIDER_RATE_LIMITED"), ("fallback", "OK")] == blocked.attempts
        assert not blocked.route.attempts[0].HasField("elapsed_duration")


async def test_s02_a_limit_without_a_word_on_time(protocol: Protocol, way: Way) -> None:
    async with staged(protocol) as stage:
        stage.primary.always([refuse(protocol, Fault.RATE_LIMIT)])
        given = [await stage.ask(way) for _ in range(3)]

        assert [FALLBACK_TEXT] * 3 == [one.text for one in given]
        assert 1 == len(stage.primary.chats)


async def test_s02_alone(protocol: Protocol, way: Way) -> None:
    async with staged(protocol, alone=True) as stage:
        stage.primary.always([refuse(protocol, Fault.RATE_LIMIT)])
        given = await stage.ask(way)

        check_failure(given, "RESOURCE_EXHAUSTED", "PROVIDER_RATE_LIMITED")
        assert given.has_retry_info
        assert len(stage.primary.chats) <= 2


@pytest.mark.parametrize("protocol", [Protocol.OLLAMA])
async def test_s02_a_full_queue_upstream(protocol: Protocol, way: Way, *, alone: bool) -> None:
    async with staged(protocol, alone=alone) as stage:
        stage.primary.always([refuse(protocol, Fault.SATURATED)])
        given = await stage.ask(way)

        assert 1 == len(stage.primary.chats)
        if alone:
            check_failure(given, "RESOURCE_EXHAUSTED", "PROVIDER_OVERLOADED")
            assert given.has_retry_info
        else:
            assert FALLBACK_TEXT == given.text


async def test_s03_one_fault_is_repeated(protocol: Protocol, way: Way, *, alone: bool) -> None:
    async with staged(protocol, alone=alone) as stage:
        stage.primary.will([refuse(protocol, Fault.TRANSIENT)])
        given = await stage.ask(way)

        assert PRIMARY_TEXT == given.text
        assert 2 == len(stage.primary.chats)
        assert [("primary", "PROVIDER_ERROR"), ("primary", "OK")] == given.attempts
        assert stage.fallback is None or not stage.fallback.chats


async def test_s04_a_fault_that_stays_opens_the_breaker(protocol: Protocol, way: Way) -> None:
    async with staged(protocol, stands_still=True) as stage:
        stage.primary.always([refuse(protocol, Fault.UNAVAILABLE)])
        given = [await stage.ask(way) for _ in range(5)]

        assert [FALLBACK_TEXT] * 5 == [one.text for one in given]
        assert 6 == len(stage.primary.chats)
        assert [("primary", "BREAKER_OPEN"), ("fallback", "OK")] == given[-1].attempts
        await check_healthy(stage, way)


async def test_s04_alone_one_call_a_second_still_passes(protocol: Protocol, way: Way) -> None:
    async with staged(protocol, alone=True, stands_still=True) as stage:
        stage.primary.always([refuse(protocol, Fault.UNAVAILABLE)])
        first = await stage.ask(way)
        for _ in range(2):
            await stage.ask(way)
        before = len(stage.primary.chats)
        trial = await stage.ask(way)
        held = await stage.ask(way)
        stage.clock.advance(1)
        await stage.ask(way)

        check_failure(first, "UNAVAILABLE", "PROVIDER_ERROR")
        assert first.has_retry_info
        check_failure(trial, "UNAVAILABLE", "PROVIDER_ERROR")
        assert (6, 2) == (before, len(stage.primary.chats) - before)
        assert ("UNAVAILABLE", "BREAKER_OPEN") == (held.code, held.reason)
        assert held.has_retry_info
        await check_healthy(stage, way)


async def test_s05_a_reset_before_any_byte_is_repeated(
    protocol: Protocol, way: Way, *, alone: bool
) -> None:
    async with staged(protocol, alone=alone) as stage:
        stage.primary.will([Reset()])
        given = await stage.ask(way)

        assert PRIMARY_TEXT == given.text
        assert 2 == len(stage.primary.chats)
        assert [("primary", "PROVIDER_UNREACHABLE"), ("primary", "OK")] == given.attempts


WINDOWS = {Protocol.OLLAMA: "num_ctx", Protocol.OPENAI: "context_length"} | {
    Protocol.ANTHROPIC: "context_length"
}


@pytest.mark.parametrize("holds", [True, False], ids=["it fits there", "nobody knows"])
async def test_s12_a_long_prompt_goes_where_it_fits(
    protocol: Protocol, way: Way, *, holds: bool
) -> None:
    windows = {"context_length": 100_000} if holds else {}
    async with staged(protocol, primary={WINDOWS[protocol]: 2048}, fallback=windows) as stage:
        stage.primary.always([refuse(protocol, Fault.CONTEXT)])
        given = await stage.ask(way)

        assert 1 == len(stage.primary.chats)
        if holds:
            assert FALLBACK_TEXT == given.text
        else:
            assert stage.fallback is not None
            check_failure(given, "INVALID_ARGUMENT", "CONTEXT_LENGTH_EXCEEDED")
            assert not stage.fallback.chats


async def test_s12_alone(protocol: Protocol, way: Way) -> None:
    async with staged(protocol, alone=True) as stage:
        stage.primary.always([refuse(protocol, Fault.CONTEXT)])
        given = await stage.ask(way)

        check_failure(given, "INVALID_ARGUMENT", "CONTEXT_LENGTH_EXCEEDED")
        assert 1 == len(stage.primary.chats)


@pytest.mark.parametrize("protocol", [Protocol.OPENAI])
async def test_s13_a_refused_prompt_is_taken_nowhere_else(
    protocol: Protocol, way: Way, *, alone: bool
) -> None:
    async with staged(protocol, alone=alone) as stage:
        stage.primary.always([refuse(protocol, Fault.CONTENT)])
        given = await stage.ask(way)

        check_failure(given, "INVALID_ARGUMENT", "CONTENT_REJECTED")
        assert 1 == len(stage.primary.chats)
        assert stage.fallback is None or not stage.fallback.chats


@pytest.mark.parametrize(
    ("protocol", "word", "reason"),
    [
        (Protocol.OPENAI, "content_filter", llm_pb2.FINISH_REASON_CONTENT_FILTER),
        (Protocol.ANTHROPIC, "refusal", llm_pb2.FINISH_REASON_REFUSAL),
    ],
)
async def test_s13_a_filter_in_the_stream_is_an_answer(
    protocol: Protocol, word: str, reason: int, way: Way, *, alone: bool
) -> None:
    async with staged(protocol, alone=alone) as stage:
        stage.primary.always([Begin(), Say("I"), Marker(word), Frame(), End()])
        given = await stage.ask(way)

        assert ("OK", "I") == (given.code, given.text)
        assert given.response is not None
        assert reason == given.response.finish_reason
        assert stage.fallback is None or not stage.fallback.chats


async def test_s14_a_later_refusal_hides_no_outage(protocol: Protocol, way: Way) -> None:
    async with staged(protocol) as stage:
        assert stage.fallback is not None
        stage.primary.always([Begin(), Cut()])
        stage.fallback.always([refuse(stage.fallback.protocol, Fault.CALLER)])
        given = await stage.ask(way)
        asked = json.loads(stage.fallback.chats[0].body)["messages"]

        check_failure(given, "UNAVAILABLE", "ALL_TARGETS_FAILED")
        assert given.failure is not None
        assert given.failure.metadata["primaryReason"] in {
            "PROVIDER_ERROR",
            "PROVIDER_UNREACHABLE",
        }
        assert ("fallback", "REQUEST_REJECTED_UPSTREAM") == given.attempts[-1]
        assert "user" == asked[-1]["role"]
