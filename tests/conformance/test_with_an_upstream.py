"""What callers rely on besides, where the answer comes over a socket."""

import asyncio
from contextlib import aclosing

import pytest

from llmsvc_server.chat.events import ChatEvents, Delta, Done
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.base import ChatProvider
from tests.conformance.subjects import MODEL
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.ollama_record import Phase
from tests.fakes.ollama_steps import (
    End,
    body,
    die_after,
    done,
    error_line,
    headers,
    missing,
    silent,
    token,
    tokens,
)
from tests.fakes.requests import chat_request, limits_of

Networked = tuple[ChatProvider, FakeOllama]
PROMPT_S = 0.25
"""How soon an upstream must see that its client has left (docs/invariants.md 6)."""


def started(provider: ChatProvider) -> ChatEvents:
    return provider.stream_chat(chat_request(model=MODEL), limits_of())


async def text_of(events: ChatEvents) -> str:
    return "".join([event.text async for event in events if isinstance(event, Delta)])


async def failure_of(provider: ChatProvider) -> tuple[str, ProviderError]:
    """Return the text that came and the error after it."""
    text = ""
    try:
        async with aclosing(started(provider)) as events:
            async for event in events:
                assert isinstance(event, Delta)
                text += event.text
    except ProviderError as error:
        return text, error
    raise AssertionError("it answered")


async def test_one_network_read_gives_one_delta(networked: Networked) -> None:
    provider, upstream = networked
    gate = Gate()
    upstream.will(token("a"), gate, tokens("b c d"), done())
    async with aclosing(started(provider)) as events:
        first = await anext(events)
        await gate.reached()
        gate.open()
        await upstream.idle()
        # All the rest has been sent before it is asked for, so one read holds it.
        await eventually(lambda: upstream.chats[0].tokens_sent == 4)
        second, end = [event async for event in events]

    assert (Delta("a"), Delta("b c d")) == (first, second)
    assert isinstance(end, Done)


async def test_text_arrives_unharmed_however_it_is_cut(networked: Networked) -> None:
    provider, upstream = networked
    text = 'Grüße, 世界 👩‍👩‍👧 <&> "\\ \u2028 \x7f e\u0301'
    upstream.conversation.answer = text

    async with aclosing(started(provider)) as events:
        got = await text_of(events)

    assert text == got


async def test_closing_closes_the_upstreams_connection(networked: Networked) -> None:
    provider, upstream = networked
    upstream.will(token("a"), silent())
    async with aclosing(started(provider)) as events:
        await anext(events)

    left = await upstream.client_gone(within_s=PROMPT_S)

    assert Phase.STREAMING is left.gone_in


@pytest.mark.parametrize("phase", [Phase.QUEUED, Phase.LOADING, Phase.BEFORE_FIRST_TOKEN])
async def test_a_cancel_before_any_byte_closes_the_upstreams_connection(
    networked: Networked, phase: Phase
) -> None:
    provider, upstream = networked
    gate = Gate()
    if phase is Phase.LOADING:
        upstream.world.load_gate = gate
    elif phase is Phase.BEFORE_FIRST_TOKEN:
        upstream.conversation.first_token_gate = gate
    else:
        upstream.gates["/api/chat"] = gate
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(text_of(started(provider)))
        await gate.reached()
        asking.cancel()
        left = await upstream.client_gone(within_s=PROMPT_S)

    assert phase is left.gone_in


@pytest.mark.parametrize(
    "script", [(headers(), silent()), (tokens(2), silent()), (body(b'{"model":'), silent())]
)
async def test_a_cancel_in_an_answer_closes_the_upstreams_connection(
    networked: Networked, script: tuple[object, ...]
) -> None:
    provider, upstream = networked
    upstream.will(*script)  # type: ignore[arg-type]  # pytest's parameters are objects
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(text_of(started(provider)))
        await upstream.received()
        asking.cancel()
        await upstream.client_gone(within_s=PROMPT_S)

    assert 0 == upstream.in_flight


async def test_an_answer_that_was_left_takes_no_other_with_it(networked: Networked) -> None:
    provider, upstream = networked
    gate = Gate()
    upstream.will(token("a"), silent())
    upstream.will(token("b"), gate, token("c"), done())
    async with aclosing(started(provider)) as staying:
        async with aclosing(started(provider)) as leaving:
            await anext(leaving)
            first = await anext(staying)
        await upstream.client_gone(within_s=PROMPT_S)
        gate.open()
        rest = await text_of(staying)

    assert (Delta("b"), "c") == (first, rest)


async def test_a_complete_answer_leaves_a_connection_for_the_next(networked: Networked) -> None:
    provider, upstream = networked
    for _ in range(3):
        async with aclosing(started(provider)) as events:
            await text_of(events)

    assert [False, True, True] == [chat.reused for chat in upstream.chats]


async def test_an_answer_left_right_after_its_end_does_so_too(networked: Networked) -> None:
    provider, upstream = networked
    for _ in range(2):
        async with aclosing(started(provider)) as events:
            async for event in events:
                if isinstance(event, Done):
                    break

    assert [False, True] == [chat.reused for chat in upstream.chats]


@pytest.mark.parametrize("how", [End.CLEAN, End.CUT, End.RESET])
async def test_an_end_without_the_terminal_marker_is_a_failure(
    networked: Networked, how: End
) -> None:
    provider, upstream = networked
    gate = Gate()
    upstream.will(tokens(2), gate, die_after(0, how))
    async with aclosing(started(provider)) as events:
        await anext(events)
        gate.open()
        with pytest.raises(ProviderError, match=ErrorKind.TRANSIENT) as caught:
            await text_of(events)

    assert ("C07", "stream", MODEL) == (
        caught.value.row,
        caught.value.phase,
        caught.value.model,
    )


async def test_an_error_line_after_text_is_told_after_the_text(networked: Networked) -> None:
    provider, upstream = networked
    upstream.will(tokens(3), error_line("an error was encountered"))

    text, error = await failure_of(provider)

    assert ("t1 t2 t3", "O12", "stream") == (text, error.row, error.phase)


async def test_a_refusal_is_told_by_its_class(networked: Networked) -> None:
    provider, upstream = networked
    upstream.will(missing())

    _, error = await failure_of(provider)

    assert error.kind is ErrorKind.MODEL_MISSING
    assert error.called


async def test_an_upstream_that_is_not_there_was_not_called(networked: Networked) -> None:
    provider, upstream = networked
    upstream.shut_down()

    _, error = await failure_of(provider)

    assert error.kind is ErrorKind.CONNECT
    assert ("connect", False, MODEL) == (error.phase, error.called, error.model)


async def test_it_answers_again_after_any_failure(networked: Networked) -> None:
    provider, upstream = networked
    for script in (missing(), die_after(1, End.CUT), die_after(1, End.CLEAN)):
        upstream.will(script)
        await failure_of(provider)

    async with aclosing(started(provider)) as events:
        text = await text_of(events)

    assert upstream.conversation.answer == text
