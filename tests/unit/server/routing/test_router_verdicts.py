"""What a call's failures say of an upstream, and when that counts (docs/failover.md 5)."""

import asyncio
from contextlib import suppress

import pytest

from llmsvc_server.chat.events import Delta
from llmsvc_server.errors import ProviderError, StreamInterrupted
from llmsvc_server.failures import ErrorKind
from tests.fakes.gate import Gate
from tests.fakes.scripted_provider import done
from tests.fakes.scripted_upstream import ScriptedUpstream
from tests.unit.server.routing.asking import answer, mock, ollama, router_over


async def test_both_attempts_at_a_candidate_have_their_verdicts_in_one_place() -> None:
    first, second = (
        ScriptedUpstream(ollama(ProviderError(ErrorKind.CONNECT))),
        ScriptedUpstream(mock()),
    )
    await answer(await router_over(first, second))
    ours, again = first.verdicts

    assert ours is again
    assert ours is not second.verdicts[0]


async def test_last_words_count_as_the_call_leaves_and_before_the_next_is_asked() -> None:
    first = ScriptedUpstream(ollama(ProviderError(ErrorKind.CONNECT)))
    second = ScriptedUpstream(mock(lambda: seen.append(len(first.counted)), done()))
    seen: list[int] = []
    await answer(await router_over(first, second))

    assert [(first.verdicts[0], 2)] == first.counted
    assert [1] == seen
    assert [(second.verdicts[0], 1)] == second.counted


@pytest.mark.parametrize(
    "steps",
    [
        (done(),),
        (ProviderError(ErrorKind.CREDENTIAL),),
        (Delta("a"), ProviderError(ErrorKind.TRANSIENT)),
        (Delta("a"), ValueError()),
    ],
)
async def test_last_words_count_however_the_call_ends(steps: tuple[object, ...]) -> None:
    upstream = ScriptedUpstream(ollama(*steps))
    with suppress(ProviderError, StreamInterrupted, ValueError):
        await answer(await router_over(upstream))

    assert upstream.counted
    assert all(verdicts is upstream.verdicts[0] for verdicts, _ in upstream.counted)


async def test_last_words_count_where_the_caller_leaves() -> None:
    gate = Gate()
    upstream = ScriptedUpstream(ollama(gate, done()))
    router = await router_over(upstream)
    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(answer(router))
        await gate.reached()
        leaving.cancel()

    assert [(upstream.verdicts[0], 1)] == upstream.counted
