"""When the adapter's connections are kept and closed."""

import asyncio
from contextlib import aclosing

import pytest

from llmsvc_server.chat.events import SIGN_OF_LIFE, ChatEvents, Delta, Done
from llmsvc_server.chat.usage import FinishReason
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.anthropic.chat import AnthropicProvider
from llmsvc_server.providers.shared.body_tail import TAIL_WAIT_S
from tests.fakes.anthropic_adapter import MODEL, anthropic_at
from tests.fakes.anthropic_stage import event_of
from tests.fakes.anthropic_steps import (
    Script,
    body,
    end,
    finish,
    headers,
    message_delta,
    ping,
    silent,
    start,
    thought,
    token,
    tokens,
)
from tests.fakes.eventually import eventually
from tests.fakes.fake_anthropic import FakeAnthropic
from tests.fakes.gate import Gate
from tests.fakes.ollama_steps import End
from tests.fakes.requests import chat_request, limits_of
from tests.fakes.stopwatch import Stopwatch

PROMPT_S = 0.25
"""How soon an upstream must see that its client has left."""


def started(provider: AnthropicProvider) -> ChatEvents:
    return provider.stream_chat(chat_request(model=MODEL), limits_of())


async def run(provider: AnthropicProvider) -> tuple[str, Done]:
    async with aclosing(started(provider)) as events:
        *deltas, done = [event async for event in events]
    assert isinstance(done, Done)
    return "".join(delta.text for delta in deltas if isinstance(delta, Delta)), done


async def test_a_complete_answer_leaves_a_connection_for_the_next() -> None:
    async with FakeAnthropic(models=(MODEL,)) as fake, anthropic_at(fake.base_url) as provider:
        texts = [(await run(provider))[0] for _ in range(3)]

        assert [fake.answer] * 3 == texts
        assert [False, True, True] == [chat.reused for chat in fake.chats]


async def test_one_network_read_gives_one_delta() -> None:
    gate = Gate()
    async with FakeAnthropic(models=(MODEL,)) as fake, anthropic_at(fake.base_url) as provider:
        fake.will(start(), token("a"), gate, tokens("b c d"), finish())
        async with aclosing(started(provider)) as events:
            first = await anext(events)
            gate.open()
            await eventually(lambda: fake.in_flight == 0)
            # All the rest has been sent before it is asked for, so one read holds it.
            second, last = [event async for event in events]

    assert (Delta("a"), Delta("b c d")) == (first, second)
    assert isinstance(last, Done)


async def test_thinking_is_a_sign_of_life_before_any_text() -> None:
    gate = Gate()
    async with FakeAnthropic(models=(MODEL,)) as fake, anthropic_at(fake.base_url) as provider:
        fake.will(start(), thought("hm"), gate, token("a"), finish())
        async with aclosing(started(provider)) as events:
            first = await anext(events)
            gate.open()
            text = "".join([event.text async for event in events if isinstance(event, Delta)])

    assert (SIGN_OF_LIFE, "a") == (first, text)


@pytest.mark.parametrize(
    "script",
    [
        silent(),
        (headers(), silent()),
        (start(), ping(), silent()),
        (start(), tokens(2), silent()),
        (body(b"event: mess"), silent()),
        (start(), token("a"), message_delta(), silent()),
    ],
)
async def test_a_cancel_closes_the_upstreams_connection(script: Script) -> None:
    async with FakeAnthropic(models=(MODEL,)) as fake, anthropic_at(fake.base_url) as provider:
        fake.will(script)
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(run(provider))
            await fake.received()
            asking.cancel()
            await fake.client_gone(within_s=PROMPT_S)

        assert asking.cancelled()
        await eventually(lambda: fake.open_connections == 0)


async def test_closing_closes_the_upstreams_connection() -> None:
    async with FakeAnthropic(models=(MODEL,)) as fake, anthropic_at(fake.base_url) as provider:
        fake.will(start(), token("a"), silent())
        async with aclosing(started(provider)) as events:
            first = await anext(events)

        await fake.client_gone(within_s=PROMPT_S)

    assert Delta("a") == first


@pytest.mark.parametrize("how", [End.CLEAN, End.CUT, End.RESET])
async def test_a_lost_connection_after_the_stop_reason_is_no_failure(how: End) -> None:
    gate = Gate()
    # In one piece, so that the reason has been read once the text is told.
    text_and_reason = event_of(
        "content_block_delta", {"delta": {"type": "text_delta", "text": "a"}}
    ) + event_of("message_delta", {"delta": {"stop_reason": "max_tokens"}})
    async with FakeAnthropic(models=(MODEL,)) as fake, anthropic_at(fake.base_url) as provider:
        fake.will(start(), body(text_and_reason), gate, end(how))
        async with aclosing(started(provider)) as events:
            first = await anext(events)
            gate.open()
            last = await anext(events)

    assert Delta("a") == first
    assert isinstance(last, Done)
    assert FinishReason.MAX_TOKENS is last.finish_reason


async def test_a_body_that_stays_open_after_the_stop_reason_is_waited_for_a_while() -> None:
    async with FakeAnthropic(models=(MODEL,)) as fake, anthropic_at(fake.base_url) as provider:
        gate = Gate()
        fake.will(start(), token("a"), message_delta(), gate, ping(), silent())
        loop = asyncio.get_running_loop()
        async with aclosing(started(provider)) as events:
            await anext(events)
            before_s = loop.time()
            gate.open()
            with Stopwatch() as watch:
                done = await anext(events)
            took_s = loop.time() - before_s
        await fake.client_gone(within_s=PROMPT_S)

    assert isinstance(done, Done)
    assert FinishReason.STOP is done.finish_reason
    assert TAIL_WAIT_S - 0.01 <= took_s
    assert watch.passed_s < 2 * TAIL_WAIT_S


async def test_minds_nothing_behind_the_end_that_is_no_content() -> None:
    async with FakeAnthropic(models=(MODEL,)) as fake, anthropic_at(fake.base_url) as provider:
        fake.will(start(), token("a"), finish(), body(b"data: <html>\n\n"), ping())

        assert "a" == (await run(provider))[0]
        assert fake.answer == (await run(provider))[0]


async def test_sends_a_request_once_even_where_a_kept_connection_dies() -> None:
    async with FakeAnthropic(models=(MODEL,)) as fake, anthropic_at(fake.base_url) as provider:
        await run(provider)
        fake.will(end(End.CUT))
        with pytest.raises(ProviderError, match=ErrorKind.CONNECT) as caught:
            await run(provider)

        assert ("C03", True, 1) == (caught.value.row, caught.value.called, caught.value.requests)
        assert [False, True] == [chat.reused for chat in fake.chats]


async def test_many_at_once_all_get_their_answer() -> None:
    async with FakeAnthropic(models=(MODEL,)) as fake, anthropic_at(fake.base_url) as provider:
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(run(provider)) for _ in range(16)]

        assert {fake.answer} == {task.result()[0] for task in asking}
