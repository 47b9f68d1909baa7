"""Figures that no answer has, over a real socket: they are not known, and the answer stays whole."""

import json

import pytest

from tests.scenarios.fixtures import protocol
from tests.scenarios.protocols import Protocol
from tests.scenarios.stage import Way, staged
from tests.scenarios.steps import End, Raw, Step

__all__ = ["protocol"]

ODD = (
    *("1" + "0" * 400, "-1" + "0" * 400, "1" * 5_000, "1" * 20_000, "1e400", "-1e400", "1e308"),
    *("9223372036854775808", "2147483648", "-1", "3.0", '"3"', "true", "NaN", "-Infinity", "[]"),
    *('{"a":[1]}', "null", "0.1e-400", "-0.0", '"\\ud800"', "[" * 400 + "]" * 400),
)
USAGE = {
    Protocol.OLLAMA: (
        *("prompt_eval_count", "eval_count", "prompt_eval_cached_count", "load_duration"),
        *("prompt_eval_duration", "eval_duration", "total_duration", "StatusCode"),
    ),
    Protocol.OPENAI: ("prompt_tokens", "completion_tokens", "total_tokens"),
    Protocol.ANTHROPIC: ("input_tokens", "output_tokens", "cache_read_input_tokens"),
}


def _sse(data: str, name: str = "") -> Raw:
    head = f"event: {name}\n" if name else ""
    return Raw(f"{head}data: {data}\n\n".encode())


def answer(protocol: Protocol, figure: str) -> list[Step]:
    """Return an answer of one word with the same figure wherever one may stand."""
    figures = ",".join(f"{json.dumps(key)}:{figure}" for key in USAGE[protocol])
    match protocol:
        case Protocol.OLLAMA:
            said = Raw(b'{"message":{"content":"a"},"done":false}\n')
            last = f'{{"message":{{"content":""}},"done":true,"done_reason":"stop",{figures}}}\n'
            return [said, Raw(last.encode()), End()]
        case Protocol.OPENAI:
            index = f'"created":{figure},"usage":{{{figures}}},"x_groq":{{"usage":{{{figures}}}}}'
            timings = f'"timings":{{"prompt_ms":{figure},"predicted_ms":{figure}}}'
            end = '"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]'
            return [
                _sse('{"choices":[{"index":0,"delta":{"content":"a"}}]}'),
                _sse(f"{{{end},{index},{timings}}}"),
                _sse("[DONE]"),
                End(),
            ]
        case Protocol.ANTHROPIC:
            delta = '{"delta":{"type":"text_delta","text":"a"}}'
            return [
                _sse(f'{{"message":{{"usage":{{{figures}}}}}}}', "message_start"),
                _sse(delta, "content_block_delta"),
                _sse(
                    f'{{"delta":{{"stop_reason":"end_turn"}},"usage":{{{figures}}}}}',
                    "message_delta",
                ),
                _sse('{"type":"message_stop"}', "message_stop"),
                End(),
            ]


async def test_an_odd_figure_never_costs_the_answer(protocol: Protocol) -> None:
    told = []
    async with staged(protocol, alone=True) as stage:
        for figure in ODD:
            stage.primary.always(answer(protocol, figure))
            for way in Way:
                given = await stage.ask(way)
                told.append((figure[:20], way, given.code, given.text))

    assert [(*one[:2], "OK", "a") for one in told] == told


ODD_KINDS = ("[]", '{"a":1}', "7", "true", "null", "1" * 5_000, '["text"]')


@pytest.mark.parametrize("kind", ODD_KINDS)
async def test_a_kind_that_is_no_word_is_a_kind_that_nobody_knows(
    protocol: Protocol, kind: str
) -> None:
    """Of a block, a piece, an error or a part: what can't be compared with a word is none of ours."""
    odd = {
        Protocol.OLLAMA: [
            Raw(f'{{"message":{{"content":[{{"type":{kind},"text":"x"}}]}}}}\n'.encode()),
            Raw(f'{{"error":{{"type":{kind},"message":{kind}}}}}\n'.encode()),
        ],
        Protocol.OPENAI: [
            _sse(f'{{"choices":[{{"delta":{{"content":[{{"type":{kind}}}]}}}}]}}'),
            _sse(f'{{"error":{{"type":{kind},"code":{kind},"message":{kind}}}}}'),
        ],
        Protocol.ANTHROPIC: [
            _sse(f'{{"content_block":{{"type":{kind}}}}}', "content_block_start"),
            _sse(f'{{"delta":{{"type":{kind}}}}}', "content_block_delta"),
            _sse(f'{{"error":{{"type":{kind},"message":{kind}}}}}', "error"),
        ],
    }[protocol]
    async with staged(protocol, alone=True) as stage:
        stage.primary.always([*odd, End()])
        given = [await stage.ask(way) for way in Way]

    assert {"INTERNAL_ERROR"}.isdisjoint(one.reason for one in given)
