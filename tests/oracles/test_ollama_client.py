"""The vendor's own client works against the fake: what it accepts, the fake says as Ollama does."""

from collections.abc import AsyncIterator

import ollama
import pytest

from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.ollama_checks import Generation
from tests.fakes.ollama_disk import Model
from tests.fakes.ollama_steps import error_line, tokens

_QUESTION = [{"role": "user", "content": "hi"}]


@pytest.fixture(params=list(Generation))
async def fake(request: pytest.FixtureRequest) -> AsyncIterator[FakeOllama]:
    """A server of each generation with phi3:mini on disk and in memory."""
    model = Model(name="phi3:mini", parameters="num_ctx 4096")
    async with FakeOllama(
        models=(model,), loaded=("phi3:mini",), generation=request.param
    ) as server:
        yield server


@pytest.fixture
async def client(fake: FakeOllama) -> AsyncIterator[ollama.AsyncClient]:
    """The vendor's client, speaking to the fake."""
    async with ollama.AsyncClient(host=fake.base_url) as vendor:
        yield vendor


async def test_lists_models(client: ollama.AsyncClient) -> None:
    [model] = (await client.list()).models

    assert model.model == "phi3:mini"
    assert model.details is not None
    assert model.details.family == "phi3"


async def test_shows_a_model(client: ollama.AsyncClient) -> None:
    shown = await client.show("phi3:mini")

    assert shown.capabilities == ["completion"]
    assert shown.parameters == "num_ctx 4096"
    assert shown.modelinfo is not None
    assert shown.modelinfo["phi3.context_length"] == 131_072


async def test_shows_what_is_in_memory(client: ollama.AsyncClient) -> None:
    [model] = (await client.ps()).models

    assert model.model == "phi3:mini"
    assert model.context_length == 4096


async def test_streams_a_chat(client: ollama.AsyncClient, fake: FakeOllama) -> None:
    parts = [
        part async for part in await client.chat(model="phi3:mini", messages=_QUESTION, stream=True)
    ]

    assert "".join(part.message.content or "" for part in parts) == fake.conversation.answer
    assert [part.done for part in parts] == [False] * 6 + [True]
    assert (parts[-1].done_reason, parts[-1].eval_count) == ("stop", 7)


async def test_gives_a_chat_whole(client: ollama.AsyncClient, fake: FakeOllama) -> None:
    reply = await client.chat(model="phi3:mini", messages=_QUESTION)

    assert reply.message.content == fake.conversation.answer
    assert reply.done_reason == "stop"


async def test_refuses_a_missing_model(client: ollama.AsyncClient) -> None:
    with pytest.raises(ollama.ResponseError, match="not found") as caught:
        await client.chat(model="no-such-model", messages=_QUESTION)

    assert caught.value.status_code == 404


async def test_raises_an_error_line_in_mid_stream(
    client: ollama.AsyncClient, fake: FakeOllama
) -> None:
    fake.will(tokens(2), error_line("an error was encountered while running the model"))
    parts: list[str] = []

    async def read() -> None:
        async for part in await client.chat(model="phi3:mini", messages=_QUESTION, stream=True):
            parts.append(part.message.content or "")  # noqa: PERF401  kept up to the error

    with pytest.raises(ollama.ResponseError, match="while running the model"):
        await read()

    assert parts == ["t1", " t2"]
