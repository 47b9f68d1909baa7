"""What the adapter puts on the wire."""

import dataclasses
from contextlib import aclosing

import pytest

from llmsvc_server.chat.adjustment import Action
from llmsvc_server.chat.events import Done
from llmsvc_server.chat.request import ChatRequest, Sampling
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.ollama.chat import OllamaProvider
from tests.conformance.subjects import MODEL, ollama_at
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.ollama_steps import answer
from tests.fakes.requests import chat_request, limits_of


async def run(provider: OllamaProvider, request: ChatRequest) -> Done:
    async with provider, aclosing(provider.stream_chat(request, limits_of())) as events:
        *_, done = [event async for event in events]
    assert isinstance(done, Done)
    return done


def with_limit(max_output_tokens: int | None) -> ChatRequest:
    sampling = Sampling(max_output_tokens=max_output_tokens)
    return dataclasses.replace(chat_request(model=MODEL), sampling=sampling)


async def test_sends_its_own_headers_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with FakeOllama(models=(MODEL,)) as fake:
        await run(ollama_at(fake.base_url), chat_request(model=MODEL))

        chat = fake.chats[0]

    expected = {
        "Host": f"127.0.0.1:{fake.port}",
        "Content-Type": "application/json",
        "Accept": "application/x-ndjson",
        "Accept-Encoding": "identity",
        "User-Agent": "llmsvc/test",
        "Content-Length": str(len(chat.body)),
    }
    assert expected == dict(chat.headers)


async def test_keeps_a_path_prefix() -> None:
    async with FakeOllama(models=(MODEL,)) as fake:
        fake.will(answer("a"), path="/some/proxy/api/chat")
        await run(ollama_at(f"{fake.base_url}/some/proxy"), chat_request(model=MODEL))

        assert "/some/proxy/api/chat" == fake.exchanges[0].path


async def test_pins_what_would_reload_the_model_whatever_a_request_asks() -> None:
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        for limit in (None, 5, 100_000):
            async with aclosing(provider.stream_chat(with_limit(limit), limits_of())) as events:
                _ = [event async for event in events]

        assert (1, 0) == (fake.world.loads_started, fake.world.reloads)


@pytest.mark.parametrize(
    ("asked", "sent", "changed"), [(None, 100, []), (7, 7, []), (100, 100, []), (101, 100, ["x"])]
)
async def test_bounds_the_answer(asked: int | None, sent: int, changed: list[str]) -> None:
    async with FakeOllama(models=(MODEL,)) as fake:
        provider = ollama_at(fake.base_url, max_output_tokens=100)
        done = await run(provider, with_limit(asked))

        options = fake.chats[0].json["options"]

    assert isinstance(options, dict)
    assert sent == options["num_predict"]
    assert [Action.CLAMPED for _ in changed] == [one.action for one in done.adjustments]


async def test_asks_no_ollama_for_a_model_of_the_vendors_cloud() -> None:
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        events = provider.stream_chat(chat_request(model="gpt-oss:20b-cloud"), limits_of())
        with pytest.raises(ProviderError, match=ErrorKind.REMOTE_REFUSED) as caught:
            await anext(events)

        assert ("gpt-oss:20b-cloud", False) == (caught.value.model, caught.value.called)
        assert [] == fake.exchanges
