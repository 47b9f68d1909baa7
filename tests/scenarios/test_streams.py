"""S06 to S11 (docs/scorecard.md): a primary that is silent, stalls, breaks off, talks nonsense."""

import pytest

from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.scenarios.protocols import Protocol
from tests.scenarios.stage import FALLBACK_TEXT, Answer, Stage, Way, staged
from tests.scenarios.steps import (
    Begin,
    Cut,
    End,
    Frame,
    KeepAlive,
    Marker,
    Raw,
    Say,
    Silence,
    Step,
    Turn,
)
from tests.scenarios.test_refusals import PRIMARY_TEXT, check_failure, check_healthy

QUICK = {"first_token_timeout_s": 0.6, "idle_timeout_s": 0.3}


def check_interrupted(answer: Answer) -> None:
    """Check how a stream ends that had begun."""
    assert ("ABORTED", "STREAM_INTERRUPTED") == (answer.code, answer.reason)
    assert answer.response is None
    assert answer.text
    assert answer.failure is not None
    assert -1 == answer.failure.pushback_ms


async def check_left(stage: Stage, primary_calls: int = 1) -> None:
    """Check that the primary was asked so often, and sees its sockets closed."""
    await stage.primary.all_over()

    assert primary_calls == len(stage.primary.chats)
    assert all(chat.left for chat in stage.primary.chats)


async def test_s06_silence_ends_at_the_limit(protocol: Protocol, way: Way, *, alone: bool) -> None:
    async with staged(protocol, alone=alone, primary=QUICK) as stage:
        stage.primary.always([Silence()])
        given = await stage.ask(way)

        await check_left(stage)
        if alone:
            check_failure(given, "UNAVAILABLE", "PROVIDER_TIMEOUT")
            assert given.failure is not None
            assert "first_token" == given.failure.metadata["phase"]
            assert given.has_retry_info
        else:
            assert FALLBACK_TEXT == given.text
            assert [("primary", "PROVIDER_TIMEOUT"), ("fallback", "OK")] == given.attempts


@pytest.mark.parametrize("protocol", [Protocol.OLLAMA])
async def test_s06_a_cold_model_is_loaded_once_for_all(protocol: Protocol, way: Way) -> None:
    cold = {"cold_timeout_s": 60.0, "max_in_flight_per_model": 8}
    async with staged(protocol, primary=cold) as stage:
        stage.primary.in_memory = False
        stage.primary.loading = Gate()
        await eventually(lambda: not _is_loaded(stage))
        given = [await stage.ask(way, timeout_s=10) for _ in range(5)]

        assert {FALLBACK_TEXT} == {one.text for one in given}
        assert [("primary", "MODEL_LOADING"), ("fallback", "OK")] == given[0].attempts
        assert (1, 0) == (stage.primary.loads, len(stage.primary.chats))
        stage.primary.loading.open()
        await eventually(lambda: _is_loaded(stage))
        assert PRIMARY_TEXT == (await stage.ask(way)).text


def _is_loaded(stage: Stage) -> bool:
    (endpoint,) = stage.service.app.providers.upstreams["primary"].endpoints
    return endpoint.loads.is_loaded("phi3:mini")


@pytest.mark.parametrize("slow", [False, True], ids=["in time", "too late"])
async def test_s07_a_slow_first_token(
    protocol: Protocol, way: Way, *, alone: bool, slow: bool
) -> None:
    limits = QUICK if slow else {"first_token_timeout_s": 5.0}
    gate = Gate()
    turn: Turn = [Begin(), KeepAlive(), gate, Say("late"), Marker(), Frame(), End()]
    async with staged(protocol, alone=alone, primary=limits) as stage:
        stage.primary.always(turn)
        if not slow:
            gate.open()
        given = await stage.ask(way)

        if not slow:
            assert "late" == given.text
        elif alone:
            check_failure(given, "UNAVAILABLE", "PROVIDER_TIMEOUT")
        else:
            assert FALLBACK_TEXT == given.text
        gate.open()


async def test_s08_a_cut_after_content(protocol: Protocol, way: Way, *, alone: bool) -> None:
    await check_broken(protocol, way, alone=alone, turn=[Begin(), Say("half"), Cut()])


async def test_s08_a_clean_end_without_the_marker(
    protocol: Protocol, way: Way, *, alone: bool
) -> None:
    await check_broken(protocol, way, alone=alone, turn=[Begin(), Say("half"), End()])


async def check_broken(protocol: Protocol, way: Way, *, alone: bool, turn: list[Step]) -> None:
    """Check what follows a turn that breaks off after content."""
    async with staged(protocol, alone=alone, stands_still=True) as stage:
        stage.primary.always(turn)
        given = await stage.ask(way)

        if way is Way.STREAM:
            check_interrupted(given)
            assert 1 == len(stage.primary.chats)
            assert stage.fallback is None or not stage.fallback.chats
        elif alone:
            check_failure(given, "UNAVAILABLE", "PROVIDER_ERROR")
            assert 2 == len(stage.primary.chats)
        else:
            assert FALLBACK_TEXT == given.text
        await check_healthy(stage, way)


@pytest.mark.parametrize("pings", [False, True], ids=["no bytes", "keep-alives"])
async def test_s09_a_stall_after_content(
    protocol: Protocol, way: Way, *, alone: bool, pings: bool
) -> None:
    more: list[Step] = [KeepAlive(), KeepAlive()] if pings else []
    async with staged(protocol, alone=alone, primary=QUICK) as stage:
        stage.primary.always([Begin(), Say("half"), *more, Silence()])
        given = await stage.ask(way)

        await check_left(stage)
        if way is Way.STREAM:
            check_interrupted(given)
            assert given.failure is not None
            assert "idle" == given.failure.metadata["phase"]
        elif alone:
            check_failure(given, "UNAVAILABLE", "PROVIDER_TIMEOUT")
        else:
            assert FALLBACK_TEXT == given.text


NONSENSE = {
    Protocol.OLLAMA: Raw(b"not json\n"),
    Protocol.OPENAI: Raw(b"data: {not json\n\n"),
    Protocol.ANTHROPIC: Raw(b"event: content_block_delta\ndata: {not json\n\n"),
}


async def test_s10_a_malformed_chunk_is_never_skipped(
    protocol: Protocol, way: Way, *, alone: bool
) -> None:
    turn: Turn = [Begin(), Say("half"), NONSENSE[protocol], Say("rest"), Marker(), Frame(), End()]
    async with staged(protocol, alone=alone) as stage:
        stage.primary.always(turn)
        given = await stage.ask(way)

        if way is Way.STREAM:
            check_interrupted(given)
            assert "rest" not in given.text
        elif alone:
            check_failure(given, "INTERNAL", "PROVIDER_PROTOCOL")
        else:
            assert FALLBACK_TEXT == given.text


BARE_DONE = Raw(b"data: [DONE]\n\n")
WITHOUT_MARKER = [
    (Protocol.OLLAMA, [Begin(), Say("all"), End()]),
    (Protocol.OPENAI, [Begin(), Say("all"), BARE_DONE, End()]),
    (Protocol.OPENAI, [Begin(), Say("all"), End()]),
    (Protocol.ANTHROPIC, [Begin(), Say("all"), End()]),
    (Protocol.ANTHROPIC, [Begin(), Say("all"), Frame(), End()]),
]


@pytest.mark.parametrize(("protocol", "turn"), WITHOUT_MARKER)
async def test_s11_no_semantic_marker_no_answer(
    protocol: Protocol, turn: list[Step], way: Way, *, alone: bool
) -> None:
    await check_broken(protocol, way, alone=alone, turn=turn)


@pytest.mark.parametrize("protocol", [Protocol.OPENAI, Protocol.ANTHROPIC])
@pytest.mark.parametrize("last", [End(), Cut(), Silence()], ids=["end", "cut", "open"])
async def test_s11_only_the_framing_is_missing(
    protocol: Protocol, last: Step, way: Way, *, alone: bool
) -> None:
    async with staged(protocol, alone=alone) as stage:
        stage.primary.always([Begin(), Say("all"), Marker(), last])
        given = await stage.ask(way)

        assert ("OK", "all") == (given.code, given.text)
        assert 1 == len(stage.primary.chats)
        assert stage.fallback is None or not stage.fallback.chats
