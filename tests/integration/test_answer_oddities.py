"""Answers as upstreams really write them, over a real socket: what is odd about them costs nothing."""

import json
from collections.abc import Sequence

import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_server.providers.shared.ending import MAX_EXCUSED
from llmsvc_server.providers.shared.lenient import MAX_BYTES
from tests.scenarios.protocols import Protocol
from tests.scenarios.stage import Answer, Way, staged
from tests.scenarios.steps import Begin, End, Frame, Marker, Raw, Refuse, Step

EACH = pytest.mark.parametrize("protocol", list(Protocol), ids=str)


async def answers(protocol: Protocol, *steps: Step) -> list[Answer]:
    """Return what both calls give where the upstream takes these steps."""
    async with staged(protocol, alone=True) as stage:
        stage.primary.always(steps)
        return [await stage.ask(way) for way in Way]


async def texts(protocol: Protocol, *steps: Step) -> set[tuple[str, str]]:
    """Return status and text of both calls."""
    return {(one.code, one.text) for one in await answers(protocol, *steps)}


def written(protocol: Protocol, text: bytes) -> Raw:
    """Return a piece whose text stands there in JSON as it is given, without its quotes."""
    match protocol:
        case Protocol.OLLAMA:
            return Raw(b'{"message":{"content":"' + text + b'"},"done":false}\n')
        case Protocol.OPENAI:
            return Raw(b'data: {"choices":[{"delta":{"content":"' + text + b'"}}]}\n\n')
        case Protocol.ANTHROPIC:
            delta = b'data: {"delta":{"type":"text_delta","text":"' + text + b'"}}\n\n'
            return Raw(b"event: content_block_delta\n" + delta)


def ended(protocol: Protocol, *steps: Step) -> Sequence[Step]:
    """Return steps between an ordinary beginning and an ordinary end."""
    last = () if protocol is Protocol.OLLAMA else (Frame(),)
    return (Begin(), *steps, Marker(), *last, End())


@EACH
@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([rb"a\ud83d", rb"\ude00b"], "a\U0001f600b"),
        ([rb"\uD83D", rb"\uDE00"], "\U0001f600"),
        ([rb"\ud83d", b"", rb"\ude00"], "\U0001f600"),
        ([rb"\ud83d", rb"\ud83d\ude00"], "\ufffd\U0001f600"),
        ([rb"a\ud83d", b"b"], "a\ufffdb"),
        ([rb"a\ude00", b"b"], "a\ufffdb"),
        ([b"a", rb"\ud83d"], "a\ufffd"),
        ([rb"a\\ud83d", rb"\\ude00"], r"a\ud83d\ude00"),
        ([b"a\xf0\x9fb", b"c"], "a\ufffdbc"),
        ([b"\xed\xa0\xbd", b"\xed\xb8\x80"], "\U0001f600"),
    ],
)
async def test_a_character_that_is_cut_in_two_arrives_whole(
    protocol: Protocol, pieces: list[bytes], expected: str
) -> None:
    steps = [written(protocol, piece) for piece in pieces]

    assert {("OK", expected)} == await texts(protocol, *ended(protocol, *steps))


@pytest.mark.parametrize(
    ("protocol", "document"),
    [
        (Protocol.OPENAI, {"choices": [{"message": {"content": "a@"}, "finish_reason": "stop"}]}),
        (Protocol.ANTHROPIC, {"content": [{"type": "text", "text": "a@"}], "stop_reason": "x"}),
        (Protocol.OLLAMA, {"message": {"content": "a@"}, "done": True}),
    ],
)
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
async def test_half_a_character_in_one_body_is_no_failure(
    protocol: Protocol, document: object, bom: bytes
) -> None:
    body = bom + json.dumps(document).encode().replace(b"@", rb"\ud83d")

    assert {("OK", "a\ufffd")} == await texts(protocol, Refuse(200, body))


CALLS = {
    Protocol.OLLAMA: b'{"message":{"content":"","tool_calls":[{"function":{"name":"SECRET"}}]},"done":false}\n',
    Protocol.OPENAI: b'data: {"choices":[{"delta":{"tool_calls":[{"function":{"name":"SECRET"}}]}}]}\n\n',
    Protocol.ANTHROPIC: b"event: content_block_start\n"
    b'data: {"content_block":{"type":"tool_use","name":"SECRET","input":{}}}\n\n',
}


@EACH
@pytest.mark.parametrize("text", [b"", b"Let me see."])
async def test_a_tool_call_that_nobody_asked_for_is_said(protocol: Protocol, text: bytes) -> None:
    said = [written(protocol, text)] if text else []
    for given in await answers(protocol, *ended(protocol, *said, Raw(CALLS[protocol]))):
        assert ("OK", text.decode()) == (given.code, given.text)
        assert given.response is not None
        assert llm_pb2.FINISH_REASON_OTHER == given.response.finish_reason
        assert [("tools", llm_pb2.Adjustment.ACTION_IGNORED)] == [
            (one.field, one.action) for one in given.response.adjustments
        ]
        assert "SECRET" not in str(given.response)


@pytest.mark.parametrize("protocol", [Protocol.OLLAMA, Protocol.OPENAI], ids=str)
async def test_content_in_parts_is_text_where_it_is_text(protocol: Protocol) -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]
    texts_in = [{"type": "text", "text": "a"}, {"type": "new", "text": "no"}]
    raw = written(protocol, b"@").data
    steps = [
        Raw(raw.replace(b'"@"', json.dumps(content).encode())) for content in (parts, texts_in)
    ]

    assert {("OK", "ab")} == await texts(
        protocol, *ended(protocol, *steps, written(protocol, b"b"))
    )


ENDED = {"message": {"role": "assistant", "content": "all of it"}, "done": True, "eval_count": 3}


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize(
    "documents",
    [
        [ENDED],
        [
            {"message": {"content": "all "}, "done": False},
            {**ENDED, "message": {"content": "of it"}},
        ],
    ],
)
async def test_an_indented_answer_is_one(
    documents: list[object], newline: bytes, bom: bytes
) -> None:
    bodies = [json.dumps(document, indent=2).encode() for document in documents]
    body = bom + b"\n".join([*bodies, b""]).replace(b"\n", newline)

    assert {("OK", "all of it")} == await texts(Protocol.OLLAMA, Refuse(200, body))
    assert {("OK", "all of it")} == await texts(Protocol.OLLAMA, Raw(body), End())


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
async def test_an_indented_error_is_one(newline: bytes) -> None:
    document = {"error": "maximum pending requests"}
    body = json.dumps(document, indent=4).encode().replace(b"\n", newline)
    given = await answers(Protocol.OLLAMA, Refuse(200, body))

    assert [("RESOURCE_EXHAUSTED", "PROVIDER_OVERLOADED")] * 2 == [
        (one.code, one.reason) for one in given
    ]


@pytest.mark.parametrize("body", [b"{\n", b'{\n "message": {\n', b'{\n "done": false\n}\n<html>'])
async def test_an_indented_answer_that_is_cut_is_none(body: bytes) -> None:
    given = await answers(Protocol.OLLAMA, Raw(body), End())

    assert ["PROVIDER_PROTOCOL"] * 2 == [one.reason for one in given]


@EACH
async def test_a_large_first_piece_is_taken_however_it_is_cut(protocol: Protocol) -> None:
    text = b"x" * 300 * 1024
    data = written(protocol, text).data
    pieces = [Raw(data[at : at + 16_384]) for at in range(0, len(data), 16_384)]

    assert {("OK", text.decode())} == await texts(protocol, *ended(protocol, *pieces))


WHOLE = {
    Protocol.OLLAMA: {"message": {"content": "a"}, "done": True},
    Protocol.OPENAI: {"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]},
    Protocol.ANTHROPIC: {"content": [{"type": "text", "text": "a"}], "stop_reason": "end_turn"},
}


@EACH
async def test_a_long_header_is_read(protocol: Protocol) -> None:
    body = json.dumps(WHOLE[protocol]).encode()
    long = Refuse(200, body, {"Content-Security-Policy": "x" * 60_000})
    too_long = Refuse(200, body, {"Content-Security-Policy": "x" * 70_000})

    assert {("OK", "a")} == await texts(protocol, long)
    assert ["PROVIDER_PROTOCOL"] * 2 == [one.reason for one in await answers(protocol, too_long)]


ODD: Sequence[object] = (12.0, "12", True, 1e300, -1, None, [], {"a": 1}, 10**30)
FIGURES = (
    *("prompt_eval_count", "eval_count", "prompt_eval_cached_count", "total_duration"),
    *("load_duration", "prompt_eval_duration", "eval_duration", "created_at", "model"),
)


def with_odd_figures(protocol: Protocol, odd: object) -> Raw:
    """Return the end of an answer that has this wherever it says anything beside its reason."""
    match protocol:
        case Protocol.OLLAMA:
            last = {"message": {"content": "", "role": odd}, "done": True, "done_reason": "stop"}
            return Raw(json.dumps({**last, **dict.fromkeys(FIGURES, odd)}).encode() + b"\n")
        case Protocol.OPENAI:
            usage = {"prompt_tokens": odd, "completion_tokens": odd, "total_tokens": odd}
            choice = {"delta": {"role": odd}, "finish_reason": "stop", "stop_reason": odd}
            more = {"id": odd, "model": odd, "created": odd, "timings": odd, "usage": usage}
            return Raw(b"data: " + json.dumps({"choices": [choice], **more}).encode() + b"\n\n")
        case Protocol.ANTHROPIC:
            stop = {"stop_reason": "end_turn", "stop_sequence": odd, "stop_details": odd}
            delta = {"delta": stop, "usage": {"input_tokens": odd, "output_tokens": odd}}
            return Raw(b"event: message_delta\ndata: " + json.dumps(delta).encode() + b"\n\n")


@EACH
@pytest.mark.parametrize("odd", ODD, ids=str)
async def test_no_odd_figure_costs_an_answer(protocol: Protocol, odd: object) -> None:
    for given in await answers(
        protocol, Begin(), written(protocol, b"a"), with_odd_figures(protocol, odd), End()
    ):
        assert ("OK", "a") == (given.code, given.text)
        assert given.response is not None
        assert llm_pb2.TOKEN_COUNT_METHOD_REPORTED != given.response.usage.output_method
        assert llm_pb2.FINISH_REASON_STOP == given.response.finish_reason


FAILURES = {
    Protocol.OLLAMA: b'{"error":"maximum pending requests @"}\n',
    Protocol.OPENAI: b'data: {"error":{"message":"@","param":"@","code":"insufficient_quota"}}\n\n',
    Protocol.ANTHROPIC: b'event: error\ndata: {"error":{"type":"billing_error","message":"@"}}\n\n',
}


@EACH
@pytest.mark.parametrize("half", [rb"\ud83d", b"\xff", b"\xed\xa0\xbd"])
async def test_half_a_character_hides_no_error(protocol: Protocol, half: bytes) -> None:
    said = FAILURES[protocol].replace(b"@", half)

    for given in await answers(protocol, Raw(said), End()):
        assert "RESOURCE_EXHAUSTED" == given.code


@EACH
async def test_half_a_character_in_a_refusal_hides_no_error(protocol: Protocol) -> None:
    wrong = FAILURES[protocol].replace(b"@", rb"\ud83d")
    body = wrong[wrong.index(b"{") :]

    for given in await answers(protocol, Refuse(503 if protocol is Protocol.OLLAMA else 400, body)):
        assert "RESOURCE_EXHAUSTED" == given.code


@EACH
async def test_half_a_character_in_a_name_or_a_reason_costs_nothing(protocol: Protocol) -> None:
    ends = {
        Protocol.OLLAMA: b'{"model":"@","message":{"role":"@","content":""},"done":true,"done_reason":"@"}\n',
        Protocol.OPENAI: b'data: {"id":"@","choices":[{"delta":{},"finish_reason":"@"}]}\n\n',
        Protocol.ANTHROPIC: b'event: message_delta\ndata: {"id":"@","delta":{"stop_reason":"@"}}\n\n',
    }
    last = Raw(ends[protocol].replace(b"@", rb"\ud83d"))

    for given in await answers(protocol, Begin(), written(protocol, b"a"), last, End()):
        assert ("OK", "a") == (given.code, given.text)


@EACH
async def test_what_can_not_be_read_behind_an_end_is_passed_over_so_often(
    protocol: Protocol,
) -> None:
    piece = b"<\nnull\n\n" if protocol is Protocol.OLLAMA else b"data: <\n\n"
    is_ollama = protocol is Protocol.OLLAMA
    last = () if is_ollama else (Frame(),)
    # Ollama's own marker is its last word too, behind which nothing is looked at.
    marker = Raw(b'{"done":false,"done_reason":"stop"}\n') if is_ollama else Marker()
    steps = (Begin(), written(protocol, b"a"), marker)

    assert {("OK", "a")} == await texts(protocol, *steps, Raw(piece * MAX_EXCUSED), *last, End())
    given = await answers(protocol, *steps, Raw(piece * (MAX_EXCUSED + 1)), *last, End())
    assert ["INTERNAL", "ABORTED"] == [one.code for one in given]


@EACH
async def test_a_large_last_piece_needs_nothing_behind_it(protocol: Protocol) -> None:
    text = b"x" * MAX_BYTES
    unended = Raw(written(protocol, text).data.rstrip(b"\n"))
    steps = (Begin(), Marker(), unended) if protocol is Protocol.OLLAMA else (Begin(), unended)
    given = await answers(protocol, *steps, End())

    assert [text.decode()] == [one.text for one in given if one.text]


@pytest.mark.parametrize(
    "event",
    [
        b'event: message_start\ndata: {"message":null}\n\n',
        b'event: message_delta\ndata: {"delta":null,"usage":{"output_tokens":1}}\n\n',
    ],
)
async def test_null_in_what_surrounds_anthropics_content_says_nothing(event: bytes) -> None:
    steps = ended(Protocol.ANTHROPIC, Raw(event), written(Protocol.ANTHROPIC, b"a"), Raw(event))

    assert {("OK", "a")} == await texts(Protocol.ANTHROPIC, *steps)


@pytest.mark.parametrize("status", [200, 400])
async def test_a_proxy_of_ollamas_kind_says_an_overflow_in_anothers_words(status: int) -> None:
    words = (
        "The number of tokens to keep from the initial prompt is greater than the context length"
    )
    refusal = Refuse(status, json.dumps({"error": words}).encode())

    for given in await answers(Protocol.OLLAMA, refusal):
        assert "CONTEXT_LENGTH_EXCEEDED" == given.reason
