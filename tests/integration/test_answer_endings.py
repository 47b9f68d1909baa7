"""When an answer counts as finished, over a real socket: never while anything of it still comes."""

import asyncio
import json

import pytest

from llmsvc_server.providers.shared.body_tail import TAIL_WAIT_S
from tests.fakes.eventually import PATIENCE_S
from tests.scenarios.fixtures import protocol, way
from tests.scenarios.protocols import Protocol
from tests.scenarios.stage import Way, staged
from tests.scenarios.steps import Cut, End, Pause, Raw, Silence, Step

__all__ = ["protocol", "way"]

QUICK = {"first_token_timeout_s": 0.6, "idle_timeout_s": 0.3}
WORDS = tuple(f" w{number}" for number in range(12))


def _sse(document: object, name: str = "") -> bytes:
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + json.dumps(document).encode() + b"\n\n"


def piece(protocol: Protocol, text: str = "", *, thinks: bool = False, ends: bool = False) -> Step:
    """Return a piece of an answer that says, if it `ends`, that it is the last one."""
    match protocol:
        case Protocol.OLLAMA:
            message = {"content": text, "thinking": "hm" if thinks else ""}
            end = {"done_reason": "stop"} if ends else {}
            return Raw(json.dumps({"message": message, "done": False, **end}).encode() + b"\n")
        case Protocol.OPENAI:
            content = {"content": text, "reasoning_content": "hm" if thinks else None}
            choice = {"index": 0, "delta": content, "finish_reason": "stop" if ends else None}
            return Raw(_sse({"choices": [choice]}))
        case Protocol.ANTHROPIC:
            kind = {"type": "thinking_delta", "thinking": "hm"}
            delta = kind if thinks else {"type": "text_delta", "text": text}
            data = _sse({"delta": delta}, "content_block_delta")
            stop = {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}}
            return Raw(data + (_sse(stop, "message_delta") if ends else b""))


def frame(protocol: Protocol) -> Step:
    """Return the word that nothing follows."""
    match protocol:
        case Protocol.OLLAMA:
            last = {"message": {"content": ""}, "done": True, "done_reason": "stop"}
            return Raw(json.dumps(last).encode() + b"\n")
        case Protocol.OPENAI:
            return Raw(b"data: [DONE]\n\n")
        case Protocol.ANTHROPIC:
            return Raw(_sse({"type": "message_stop"}, "message_stop"))


async def test_an_end_that_comes_too_early_ends_nothing(protocol: Protocol) -> None:
    early = [piece(protocol, thinks=True, ends=True), Pause(TAIL_WAIT_S + 0.2)]
    last = [piece(protocol, ends=True), frame(protocol), End()]
    async with staged(protocol, alone=True) as stage:
        stage.primary.always([*early, *(piece(protocol, word) for word in WORDS), *last])
        given = await asyncio.gather(*(stage.ask(way) for way in Way))

    assert [("OK", "".join(WORDS))] * 2 == [(one.code, one.text) for one in given]


async def test_an_end_with_every_piece_ends_nothing(protocol: Protocol) -> None:
    pieces = [step for word in WORDS[:2] for step in (piece(protocol, word, ends=True), Pause(0.1))]
    slow = [piece(protocol, " late", ends=True), Pause(TAIL_WAIT_S + 0.2)]
    last = [piece(protocol, " w", ends=True), frame(protocol), End()]
    async with staged(protocol, alone=True) as stage:
        stage.primary.always([*pieces, *slow, *last])
        given = await asyncio.gather(*(stage.ask(way) for way in Way))

    assert [("OK", " w0 w1 late w")] * 2 == [(one.code, one.text) for one in given]


async def test_nothing_is_lost_of_much_that_comes_at_once_behind_an_end(
    protocol: Protocol, way: Way
) -> None:
    words = [f" w{number}" for number in range(1_000)]
    pieces = [piece(protocol, word, ends=True) for word in words]
    at_once = b"".join(step.data for step in pieces if isinstance(step, Raw))
    async with staged(protocol, alone=True) as stage:
        stage.primary.always([Raw(at_once), frame(protocol), End()])
        given = await stage.ask(way)

    assert ("OK", "".join(words)) == (given.code, given.text)


@pytest.mark.parametrize("fault", [Silence(), Cut()], ids=["silence", "cut"])
async def test_a_part_that_said_it_was_all_is_no_answer(
    protocol: Protocol, way: Way, fault: Step
) -> None:
    parts = [piece(protocol, word, ends=True) for word in WORDS[:3]]
    async with staged(protocol, alone=True, primary=QUICK) as stage:
        stage.primary.always([*parts, fault])
        given = await stage.ask(way)

    assert "OK" != given.code
    assert given.text in {"", "".join(WORDS[:3])}


async def test_content_behind_the_last_word_is_no_part_of_the_answer(
    protocol: Protocol, way: Way
) -> None:
    ended = [piece(protocol, "a"), piece(protocol, ends=True), frame(protocol)]
    evil: list[Step] = [piece(protocol, " EVIL"), piece(protocol, ends=True), frame(protocol)]
    evil.append(Pause(0.02))
    at_once = Raw(b"".join(map(_data, [*ended, *evil[:3]])))
    scripts: list[list[Step]] = [[*ended, *evil * 10_000], [at_once, *evil * 10_000]]
    async with staged(protocol, alone=True) as stage:
        given = []
        for script in scripts:
            stage.primary.always([*script, End()])
            given.append(await stage.ask(way))

    assert [("OK", "a")] * 2 == [(one.code, one.text) for one in given]


async def test_content_behind_a_reason_alone_needs_another(protocol: Protocol, way: Way) -> None:
    evil: list[Step] = [piece(protocol, "a"), piece(protocol, ends=True), piece(protocol, "b")]
    async with staged(protocol, alone=True) as stage:
        stage.primary.always([*evil, End()])
        given = await stage.ask(way)

    assert "OK" != given.code


async def test_an_answer_with_a_reason_and_no_end_behind_it_is_over(protocol: Protocol) -> None:
    """Signs of life without content: for two seconds they may still say what the answer took."""
    sign = {
        Protocol.OLLAMA: Raw(b'{"message":{"content":""},"done":false}\n'),
        Protocol.OPENAI: Raw(b": still here\n\n"),
        Protocol.ANTHROPIC: Raw(_sse({"type": "ping"}, "ping")),
    }[protocol]
    async with staged(protocol, alone=True) as stage:
        ended = [piece(protocol, "a"), piece(protocol, ends=True)]
        endless: list[Step] = [sign, Pause(0.02)] * 10_000
        stage.primary.always([*ended, *endless, End()])
        async with asyncio.timeout(TAIL_WAIT_S + PATIENCE_S):
            given = await asyncio.gather(*(stage.ask(way) for way in Way))

    assert [("OK", "a")] * 2 == [(one.code, one.text) for one in given]


@pytest.mark.parametrize("rest", [End(), Cut(), Silence()], ids=["end", "cut", "silence"])
async def test_an_end_of_its_own_needs_nothing_behind_it(
    protocol: Protocol, way: Way, rest: Step
) -> None:
    async with staged(protocol, alone=True) as stage:
        stage.primary.always([piece(protocol, "a"), frame_of(protocol), rest])
        given = await stage.ask(way)

    assert ("OK", "a") == (given.code, given.text)


def frame_of(protocol: Protocol) -> Step:
    """Return why an answer ended and that nothing follows, as the protocol says both."""
    end = piece(protocol, ends=True)
    assert isinstance(end, Raw)
    last = frame(protocol)
    assert isinstance(last, Raw)
    return Raw(end.data + last.data)


LAST_WORDS = {
    Protocol.OLLAMA: (b"null\n", b"\n\n", b"[DONE]\n", b"<html>", b'{"mess', b"{}\n"),
    Protocol.OPENAI: (
        *(b"data: [DONE] \n\n", b"data: [done]\n\n", b"data:\n\n", b"data: null\n\n"),
        *(b"data: \n\n", b"data: {\n\n", b"data: bye\n\n", b"data: [DO"),
    ),
    Protocol.ANTHROPIC: (
        *(b"data: [DONE]\n\n", b"data: [done] \n\n", b"data:\n\n", b"data: null\n\n"),
        *(b"event: message_stop\ndata:\n\n", b"event: message_stop\ndata: {\n\n", b"data: [DO"),
    ),
}


@pytest.mark.parametrize(
    ("protocol", "word"),
    [(protocol, word) for protocol in Protocol for word in LAST_WORDS[protocol]],
)
async def test_a_bad_last_word_costs_nothing(protocol: Protocol, word: bytes) -> None:
    last = frame(protocol) if protocol is Protocol.OLLAMA else piece(protocol, ends=True)
    async with staged(protocol, alone=True) as stage:
        stage.primary.always([piece(protocol, "a"), last, Raw(word), End()])
        given = [await stage.ask(way) for way in Way]

    assert [("OK", "a")] * 2 == [(one.code, one.text) for one in given]


def marked(protocol: Protocol, word: str) -> Step:
    """Return a piece of an answer with this text for a reason why it ended."""
    data = _data(piece(protocol, " w", ends=True))
    for usual in (b'"stop"', b'"end_turn"'):
        data = data.replace(usual, json.dumps(word).encode())
    return Raw(data)


def _data(step: Step) -> bytes:
    assert isinstance(step, Raw)
    return step.data


@pytest.mark.parametrize("word", ["null", "None", ""])
async def test_null_that_is_a_text_is_no_end(protocol: Protocol, way: Way, word: str) -> None:
    pieces = [marked(protocol, word)] * 2
    async with staged(protocol, alone=True) as stage:
        stage.primary.always([*pieces, End()])
        part = await stage.ask(way)
        stage.primary.always([*pieces, piece(protocol, ends=True), frame(protocol), End()])
        whole = await stage.ask(way)

    assert "OK" != part.code
    assert ("OK", " w w") == (whole.code, whole.text)
