"""Bringing models into memory and out of it, and models that run elsewhere."""

from contextlib import aclosing

import pytest

from llmsvc_server.chat.events import Delta, Done
from llmsvc_server.errors import (
    ProviderError,
)
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.networks import Networks
from llmsvc_server.providers.ollama.chat import OllamaProvider
from tests.conformance.subjects import MODEL, ollama_at
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.ollama_checks import Generation
from tests.fakes.ollama_disk import Model
from tests.fakes.ollama_record import Json
from tests.fakes.ollama_stage import encode
from tests.fakes.ollama_steps import page, refuse
from tests.fakes.requests import MAX_ANSWER_BYTES, chat_request, limits_of
from tests.fakes.scripted_provider import names_of
from tests.fakes.unfinished import unfinished

CLOUD = "gpt-oss:120b-cloud"


def remote_friendly(base_url: str) -> OllamaProvider:
    return OllamaProvider(
        "ollama",
        base_url=base_url,
        temperature=None,
        num_ctx=None,
        keep_alive_s=300,
        max_output_tokens=100,
        max_answer_bytes=MAX_ANSWER_BYTES,
        unfinished=unfinished(),
        connect_timeout_s=2.0,
        user_agent="llmsvc/test",
        allows_remote=True,
    )


async def test_a_model_is_loaded_with_the_window_of_real_requests_and_freed() -> None:
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        await provider.warm(MODEL)
        warm = (await provider.catalogue()).loaded
        await provider.unload(MODEL)
        cold = (await provider.catalogue()).loaded
        load, unload = (one.json for one in fake.moves)

    assert (1, 0) == (len(warm or ()), len(cold or ()))
    assert {"num_ctx": 2048} == load["options"] == unload["options"]
    assert (300, 0) == (load["keep_alive"], unload["keep_alive"])
    assert [] == fake.chats


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (500, "llama runner process has terminated: exit status 2", ErrorKind.LOAD_FAILED),
        (404, "model 'phi3:mini' not found", ErrorKind.MODEL_MISSING),
    ],
)
async def test_a_load_that_is_refused_says_why(status: int, text: str, kind: ErrorKind) -> None:
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        fake.will(refuse(status, text), moves_model=True)
        with pytest.raises(ProviderError, match=kind):
            await provider.warm(MODEL)


async def test_an_error_line_under_200_is_a_failed_load_too() -> None:
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        line = encode({"error": "unable to load model: x"}).decode()
        fake.will(page(200, line, "application/x-ndjson"), moves_model=True)
        with pytest.raises(ProviderError, match=ErrorKind.LOAD_FAILED):
            await provider.warm(MODEL)


async def test_a_load_without_an_answer_failed() -> None:
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        fake.will(page(200, "\n", "application/x-ndjson"), moves_model=True)
        with pytest.raises(ProviderError, match=ErrorKind.TRANSIENT):
            await provider.warm(MODEL)


async def test_a_load_that_would_run_elsewhere_is_a_violation() -> None:
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        line = encode({"done": True, "done_reason": "load", "remote_host": "https://x"}).decode()
        fake.will(page(200, line, "application/x-ndjson"), moves_model=True)
        with pytest.raises(ProviderError, match=ErrorKind.VIOLATION):
            await provider.warm(MODEL)


async def test_a_cloud_models_name_is_never_loaded() -> None:
    async with FakeOllama() as fake, ollama_at(fake.base_url) as provider:
        with pytest.raises(ProviderError, match=ErrorKind.REMOTE_REFUSED):
            await provider.warm(CLOUD)

        assert [] == fake.exchanges


async def test_models_that_run_elsewhere_are_known_but_not_offered() -> None:
    async with (
        FakeOllama(models=(MODEL, Model(name=CLOUD, remote_host="https://x"))) as fake,
        ollama_at(fake.base_url) as provider,
    ):
        catalogue = await provider.catalogue()
        identity = provider.identity(CLOUD)

    assert [MODEL] == list(names_of(catalogue).values())
    assert {identity} == catalogue.remote


async def test_where_the_operator_allows_it_they_are_asked() -> None:
    answer = encode(
        {
            "message": {"role": "assistant", "content": "from afar"},
            "remote_host": "https://x",
            "remote_model": "gpt-oss:120b",
        }
    ) + encode({"done": True, "done_reason": "stop", "remote_host": "https://x"})
    async with (
        FakeOllama(models=(Model(name=CLOUD, remote_host="https://x"),)) as fake,
        remote_friendly(fake.base_url) as provider,
    ):
        catalogue = await provider.catalogue()
        fake.will(page(200, answer.decode(), "application/x-ndjson"))
        request = chat_request().for_model(CLOUD, stays_local=False)
        stream = provider.stream_chat(request, limits_of())
        async with aclosing(stream) as events:
            *deltas, end = [event async for event in events]

    assert [CLOUD] == list(names_of(catalogue).values())
    assert [Delta("from afar")] == deltas
    assert isinstance(end, Done)


async def test_stamps_and_expiry_tell_when_a_model_changed_or_worked() -> None:
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        await provider.warm(MODEL)
        catalogue = await provider.catalogue()
        identity = provider.identity(MODEL)

    assert catalogue.loaded is not None
    assert (True, True) == (
        bool(catalogue.models[identity or ""].stamp),
        bool(catalogue.loaded[identity or ""]),
    )


async def test_an_address_outside_the_network_is_not_dialled() -> None:
    async with (
        FakeOllama(models=(MODEL,)) as fake,
        OllamaProvider(
            "ollama",
            base_url=f"http://192.0.2.1:{fake.port}",
            temperature=None,
            num_ctx=None,
            keep_alive_s=300,
            max_output_tokens=100,
            max_answer_bytes=MAX_ANSWER_BYTES,
            unfinished=unfinished(),
            connect_timeout_s=2.0,
            user_agent="llmsvc/test",
            networks=Networks(),
        ) as provider,
    ):
        with pytest.raises(ProviderError, match=ErrorKind.REMOTE_REFUSED) as caught:
            await provider.warm(MODEL)

    assert not caught.value.called


async def test_an_address_inside_is() -> None:
    async with (
        OllamaProvider(
            "ollama",
            base_url="http://localhost:1",
            temperature=None,
            num_ctx=None,
            keep_alive_s=300,
            max_output_tokens=100,
            max_answer_bytes=MAX_ANSWER_BYTES,
            unfinished=unfinished(),
            connect_timeout_s=2.0,
            user_agent="llmsvc/test",
            networks=Networks(),
        ) as provider,
    ):
        with pytest.raises(ProviderError, match=ErrorKind.CONNECT):
            await provider.warm(MODEL)


@pytest.mark.parametrize(
    ("generation", "body", "may"),
    [
        (Generation.OLD, None, False),
        (Generation.OLD, {"cloud": {"disabled": False}}, True),
        (Generation.OLD, {"cloud": None}, True),
        (Generation.OLDEST, None, True),
    ],
)
async def test_a_server_may_forward_unless_it_says_that_it_cannot(
    generation: Generation, body: Json | None, *, may: bool
) -> None:
    async with (
        FakeOllama(generation=generation) as fake,
        ollama_at(fake.base_url) as provider,
    ):
        if body is not None:
            told = page(200, encode(body).decode(), "application/json; charset=utf-8")
            fake.will(told, path="/api/status")

        assert may == await provider.may_forward()


async def test_a_server_that_is_away_says_nothing() -> None:
    async with ollama_at("http://127.0.0.1:1") as provider:
        with pytest.raises(ProviderError, match=ErrorKind.CONNECT):
            await provider.may_forward()
