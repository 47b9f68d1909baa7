"""What the adapter puts on the wire."""

import dataclasses
from contextlib import aclosing

import pytest

from llmsvc_server.chat.adjustment import Action
from llmsvc_server.chat.events import Done
from llmsvc_server.chat.request import ChatRequest, Sampling
from llmsvc_server.chat.route import Locality, ProviderKind
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.anthropic.chat import AnthropicProvider
from tests.fakes.anthropic_adapter import MODEL, anthropic_at
from tests.fakes.fake_anthropic import KEY, FakeAnthropic
from tests.fakes.requests import chat_request, limits_of


async def run(provider: AnthropicProvider, request: ChatRequest) -> Done:
    async with provider, aclosing(provider.stream_chat(request, limits_of())) as events:
        *_, done = [event async for event in events]
    assert isinstance(done, Done)
    return done


async def test_sends_its_own_headers_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with FakeAnthropic(models=(MODEL,)) as fake:
        await run(anthropic_at(fake.base_url), chat_request(model=MODEL))

        chat = fake.chats[0]

    expected = {
        "Host": f"127.0.0.1:{fake.port}",
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
        "Accept-Encoding": "identity",
        "User-Agent": "llmsvc/test",
        "x-api-key": KEY,
        "anthropic-version": "2023-06-01",
        "Content-Length": str(len(chat.body)),
    }
    assert expected == dict(chat.headers)


async def test_keeps_a_path_prefix() -> None:
    async with FakeAnthropic(models=(MODEL,)) as fake:
        with pytest.raises(ProviderError):
            await run(anthropic_at(f"{fake.base_url}/some/proxy"), chat_request(model=MODEL))

        assert "/some/proxy/v1/messages" == fake.exchanges[0].path


async def test_is_never_local() -> None:
    info = anthropic_at("http://127.0.0.1:1").info

    assert (ProviderKind.ANTHROPIC, Locality.REMOTE) == (info.kind, info.locality)


@pytest.mark.parametrize(
    "model", ["claude-haiku-4-5", "claude-opus-4-6", "claude-opus-4-7", "claude-fable-5-1", "other"]
)
async def test_every_setting_there_is_makes_a_request_that_is_accepted(model: str) -> None:
    sampling = Sampling(
        temperature=2.0,
        top_p=0.5,
        top_k=5,
        min_p=0.1,
        frequency_penalty=1.0,
        presence_penalty=1.0,
        repeat_penalty=1.0,
        seed=5,
        max_output_tokens=1_000_000,
        stop_sequences=("§",),
    )
    asked = dataclasses.replace(chat_request(model=model), sampling=sampling)
    async with FakeAnthropic(models=(model,)) as fake:
        done = await run(anthropic_at(fake.base_url), asked)

    told = {one.field: one.action for one in done.adjustments}
    assert Action.CLAMPED is told["generation_config.max_output_tokens"]
    assert Action.IGNORED is told["generation_config.seed"]
    assert len(told) == len(done.adjustments)


async def test_a_wrong_key_and_a_missing_model_have_their_class() -> None:
    async with FakeAnthropic(models=(MODEL,)) as fake:
        with pytest.raises(ProviderError, match=ErrorKind.CREDENTIAL):
            await run(anthropic_at(fake.base_url, api_key="wrong"), chat_request(model=MODEL))
        with pytest.raises(ProviderError, match=ErrorKind.MODEL_MISSING) as caught:
            await run(anthropic_at(fake.base_url), chat_request(model="claude-none"))

    assert "claude-none" == caught.value.model


async def test_names_the_answer_as_the_provider_does() -> None:
    async with FakeAnthropic(models=(MODEL,)) as fake:
        done = await run(anthropic_at(fake.base_url), chat_request(model=MODEL))

    assert f"msg_{1:024}" == done.provider_response_id
