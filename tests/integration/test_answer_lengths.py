"""An upstream that writes on for ever, whatever it was asked for, is left."""

import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_server.providers.shared.length import LETTERS_PER_TOKEN
from tests.scenarios.fixtures import protocol, way
from tests.scenarios.protocols import Protocol
from tests.scenarios.stage import Stage, Way, staged
from tests.scenarios.steps import Begin, Frame, Marker, Pause, Say, Silence, Step, answer

__all__ = ["protocol", "way"]

TOKENS = 4
MOST_BYTES = 65_536
ESTIMATED = llm_pb2.TOKEN_COUNT_METHOD_ESTIMATED


async def left(stage: Stage) -> bool:
    """Return whether the upstream saw us leave before its answer's end."""
    await stage.primary.all_over()
    return stage.primary.chats[-1].left


async def test_more_than_the_tokens_asked_for_is_cut_as_they_would_have_been(
    protocol: Protocol, way: Way
) -> None:
    word = "x" * (LETTERS_PER_TOKEN // 2)
    endless: list[Step] = [Begin(), *[Say(word)] * (2 * TOKENS + 1), Silence()]
    async with staged(protocol, alone=True, limits={"max_output_tokens": TOKENS}) as stage:
        stage.primary.always(endless)
        given = await stage.ask(way)

        assert await left(stage)
        assert given.response is not None
        assert ("OK", word * (2 * TOKENS + 1)) == (given.code, given.text)
        assert llm_pb2.FINISH_REASON_MAX_TOKENS == given.response.finish_reason
        assert ESTIMATED == given.response.usage.output_method
        assert given.response.usage.output_tokens >= TOKENS


async def test_as_much_as_tokens_can_be_is_nobodys_to_cut(protocol: Protocol, way: Way) -> None:
    longest = answer("x" * LETTERS_PER_TOKEN * TOKENS)
    async with staged(protocol, alone=True, limits={"max_output_tokens": TOKENS}) as stage:
        stage.primary.always(longest)
        given = await stage.ask(way)

        assert given.response is not None
        assert LETTERS_PER_TOKEN * TOKENS == len(given.text)
        assert llm_pb2.FINISH_REASON_STOP == given.response.finish_reason


@pytest.mark.parametrize("letter", ["x", "\u00e9"])
async def test_an_answer_above_the_limit_in_bytes_is_none(
    protocol: Protocol, way: Way, letter: str
) -> None:
    eighth = Say(letter * (MOST_BYTES // 8 // len(letter.encode())))
    ended: list[Step] = [Marker(), Frame(), Silence()]
    async with staged(protocol, alone=True, limits={"max_answer_bytes": MOST_BYTES}) as stage:
        stage.primary.always([Begin(), *[eighth] * 8, *ended])
        whole = await stage.ask(way)
        stage.primary.always([Begin(), eighth, Pause(0.2), *[eighth] * 7, Say("x"), Silence()])
        cut = await stage.ask(way)

        assert await left(stage)
        assert ("OK", MOST_BYTES) == (whole.code, len(whole.text.encode()))
        expected = "PROVIDER_PROTOCOL" if way is Way.CHAT else "STREAM_INTERRUPTED"
        assert expected == cut.reason
        assert ["primary"] == [one.provider.name for one in stage.service.reporter.attempts]
