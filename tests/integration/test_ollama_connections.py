"""When the adapter's connections are kept, replaced and closed."""

import asyncio
import math
from contextlib import aclosing

import pytest

from llmsvc_server.chat.events import ChatEvents, Delta, Done
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.ollama.chat import OllamaProvider
from llmsvc_server.providers.shared.exchange import DRAIN_S
from tests.conformance.subjects import MODEL, ollama_at
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.ollama_record import Outcome
from tests.fakes.ollama_stage import Stage
from tests.fakes.ollama_steps import End, body, die_after, done, end, raw, silent, token
from tests.fakes.requests import chat_request, limits_of
from tests.fakes.stopwatch import Stopwatch


def started(provider: OllamaProvider, text: str = "hi") -> ChatEvents:
    return provider.stream_chat(chat_request(text, model=MODEL), limits_of())


async def run(provider: OllamaProvider, text: str = "hi") -> str:
    async with aclosing(started(provider, text)) as events:
        return "".join([event.text async for event in events if isinstance(event, Delta)])


async def test_replaces_a_kept_connection_that_dies_before_any_byte() -> None:
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        await run(provider)
        fake.close_on_reuse()

        text = await run(provider)

        assert fake.conversation.answer == text
        assert [False, True, False] == [chat.reused for chat in fake.chats]
        assert fake.chats[1].body == fake.chats[2].body


async def test_a_failure_counts_the_request_that_was_lost_before_it() -> None:
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        await run(provider)
        fake.close_on_reuse()
        fake.will(token("a"), end(End.CUT))

        with pytest.raises(ProviderError, match=ErrorKind.TRANSIENT) as caught:
            await run(provider)

        assert (2, 2) == (caught.value.requests, len(fake.chats) - 1)


async def test_replaces_it_with_a_large_request_too() -> None:
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        fake.world.bytes_per_token = 4_000
        await run(provider)
        fake.close_on_reuse()

        await run(provider, "x" * 3_000_000)

        assert fake.chats[1].body == fake.chats[2].body


async def test_replaces_it_once_and_no_more() -> None:
    async with (
        FakeOllama(models=(MODEL,), num_parallel=2) as fake,
        ollama_at(fake.base_url) as provider,
    ):
        gate = fake.conversation.first_token_gate = Gate()
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(run(provider))
            await gate.reached(2)
            gate.open()
        fake.close_on_reuse(math.inf)

        with pytest.raises(ProviderError, match=ErrorKind.CONNECT) as caught:
            await run(provider)

        assert ("C03", True) == (caught.value.row, caught.value.called)
        assert 4 == len(fake.chats)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_asks_no_second_time_where_the_connection_was_new(host: str) -> None:
    async with (
        FakeOllama(models=(MODEL,)) as fake,
        ollama_at(f"http://{host}:{fake.port}") as provider,
    ):
        fake.will(end(End.CUT))

        with pytest.raises(ProviderError, match=ErrorKind.CONNECT):
            await run(provider)

        assert 1 == len(fake.chats)


@pytest.mark.parametrize(
    "script",
    [die_after(1, End.CUT), (raw(b"HTTP/1.1 2"), end(End.CUT)), (body(b"{"), end(End.CUT))],
)
async def test_asks_no_second_time_once_a_byte_has_come(script: tuple[object, ...]) -> None:
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        await run(provider)
        fake.will(*script)  # type: ignore[arg-type]  # pytest's parameters are objects

        with pytest.raises(ProviderError, match=ErrorKind.TRANSIENT):
            await run(provider)

        assert 2 == len(fake.chats)


async def test_finds_a_restarted_server_without_an_error() -> None:
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        await run(provider)
        fake.shut_down()
        await fake.start_listening()

        assert fake.conversation.answer == await run(provider)


async def test_tells_the_end_before_the_connection_is_free() -> None:
    gate = Gate()
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        fake.will(token("a"), done(), gate)
        async with aclosing(started(provider)) as events:
            _, end_of_answer = await anext(events), await anext(events)
            assert isinstance(end_of_answer, Done)
            assert fake.chats[0].outcome is None
            gate.open()
        await run(provider)

        assert [False, True] == [chat.reused for chat in fake.chats]


async def test_gives_up_a_connection_whose_answer_does_not_end() -> None:
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        fake.will(token("a"), done(), silent())
        loop = asyncio.get_running_loop()
        events = started(provider)
        _ = [await anext(events), await anext(events)]
        told_s = loop.time()
        with Stopwatch() as watch:
            await events.aclose()
        waited_s = loop.time() - told_s
        left = await fake.client_gone()

        assert Outcome.CLIENT_GONE is left.outcome
        assert DRAIN_S - 0.001 <= waited_s  # the loop counts whole milliseconds
        assert watch.passed_s < 10 * DRAIN_S
        assert fake.conversation.answer == await run(provider)


async def test_minds_nothing_behind_the_end_that_is_no_content() -> None:
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        fake.will(token("a"), done(), body(b"\n"), body(b"<html>"))

        assert "a" == await run(provider)
        assert fake.conversation.answer == await run(provider)
        assert [False, True] == [chat.reused for chat in fake.chats]


async def test_a_lost_connection_after_the_end_is_no_failure() -> None:
    gate = Gate()
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        fake.will(token("a"), done(), gate, end(End.RESET))
        async with aclosing(started(provider)) as events:
            _, end_of_answer = await anext(events), await anext(events)
            gate.open()
            rest = [event async for event in events]

    assert isinstance(end_of_answer, Done)
    assert [] == rest


async def test_closes_at_once_when_an_answer_comes_from_elsewhere() -> None:
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        fake.will(token("secret", remote_host="https://example.org"), silent())

        with pytest.raises(ProviderError, match=ErrorKind.VIOLATION) as caught:
            await run(provider)
        await fake.client_gone(within_s=0.25)

        assert ("O01", MODEL) == (caught.value.row, caught.value.model)


async def test_a_hundred_and_fifty_chats_run_at_once() -> None:
    async with FakeOllama(models=(MODEL,), num_parallel=200) as fake:
        gate = fake.conversation.first_token_gate = Gate()
        async with ollama_at(fake.base_url) as provider, asyncio.TaskGroup() as group:
            for _ in range(150):
                group.create_task(run(provider))
            await gate.reached(150)
            gate.open()

        assert 150 == fake.most_in_flight


async def test_a_slow_reader_slows_the_upstream_down() -> None:
    piece = b'{"message":{"content":"' + b"x" * 60_000 + b'"},"done":false}\n'
    sent = 0
    seen: list[int] = []

    async def send_one(stage: Stage) -> None:
        nonlocal sent
        await stage.write(piece)
        sent += 1

    def stands_still() -> bool:
        seen.append(sent)
        return seen[-50:] == [sent] * 50

    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        fake.will(*(send_one for _ in range(1_000)), done())
        async with aclosing(started(provider)) as events:
            await anext(events)
            await eventually(stands_still)

    # Of 60 MB: what the buffers of two sockets and ours hold.
    assert 12_000_000 > sent * len(piece)
