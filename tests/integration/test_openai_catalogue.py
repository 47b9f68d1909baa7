"""What the adapter learns of a server's models, and how it waits for an engine."""

import asyncio

import pytest

from llmsvc_server.chat.route import Locality
from llmsvc_server.errors import (
    ProviderError,
)
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.client import HttpClient
from llmsvc_server.providers.openai.engine import wait_until_loaded
from llmsvc_server.providers.openai.models import OpenaiModels
from tests.fakes.fake_openai import MODELS, FakeOpenai
from tests.fakes.ollama_record import Json
from tests.fakes.ollama_steps import End
from tests.fakes.openai_at import openai_at
from tests.fakes.openai_steps import Script, end, page, refuse, reply, silent
from tests.fakes.scripted_provider import names_of
from tests.fakes.unfinished import unfinished

VERSION = "/api/version"
TAGS = "/api/tags"
HEALTH = "/health"
AS_OLLAMA: dict[str, Json] = {
    VERSION: {"version": "0.24.0"},
    TAGS: {
        "models": [
            {"model": "llama3:latest", "name": "llama3:latest"},
            {"model": "stub:latest", "remote_host": "https://example.org:443"},
            {"model": "other:7b", "remote_model": "big"},
            {"model": "gpt-oss:20b-cloud"},
        ]
    },
}


def upstream_at(url: str) -> HttpClient:
    return HttpClient(url, connect_timeout_s=2.0, user_agent="llmsvc/test")


async def test_lists_what_a_hosted_service_has() -> None:
    names = ("openai/gpt-4o:free", "m:latest", "a model", "x" * 300, "")
    async with (
        FakeOpenai(models=names) as fake,
        openai_at(fake.base_url, locality=Locality.REMOTE) as provider,
    ):
        catalogue = await provider.catalogue()

        assert {name: name for name in names[:3]} == names_of(catalogue)
        assert (frozenset(), None, "") == (catalogue.remote, catalogue.loaded, catalogue.version)
        assert [MODELS] == [one.path for one in fake.exchanges]


async def test_lists_what_stands_in_no_object() -> None:
    async with (
        FakeOpenai() as fake,
        openai_at(fake.base_url, locality=Locality.REMOTE) as provider,
    ):
        fake.will(reply([{"id": "m", "type": "chat"}, None, {"id": 5}]), path=MODELS)

        assert {"m": "m"} == names_of(await provider.catalogue())


async def test_compares_the_names_of_a_hosted_service_as_they_are() -> None:
    provider = openai_at("https://api.example.org/v1", locality=Locality.REMOTE)

    assert "m:latest" == provider.identity(" m:latest ")
    assert "M" == provider.identity("M")
    assert provider.identity("  ") is None


async def test_takes_a_local_engine_for_what_it_is() -> None:
    async with FakeOpenai(models=("llama-3",)) as fake, openai_at(fake.base_url) as provider:
        catalogue = await provider.catalogue()

        assert {"llama-3": "llama-3"} == names_of(catalogue)
        assert [MODELS, VERSION] == [one.path for one in fake.exchanges]


async def test_finds_out_what_a_hidden_ollama_would_run_elsewhere() -> None:
    names = ("llama3:latest", "stub:latest", "other:7b", "gpt-oss:20b-cloud")
    async with (
        FakeOpenai(models=names, documents=AS_OLLAMA) as fake,
        openai_at(fake.base_url) as provider,
    ):
        catalogue = await provider.catalogue()

        assert {"llama3": "llama3:latest"} == names_of(catalogue)
        assert {"stub", "other:7b", "gpt-oss:20b-cloud"} == catalogue.remote
        assert "0.24.0" == catalogue.version
        assert provider.identity("llama3") == provider.identity("llama3:latest")


@pytest.mark.parametrize("name", ["stub", "stub:latest", "library/STUB", "other:7b"])
async def test_asks_for_nothing_that_would_run_elsewhere(name: str) -> None:
    async with (
        FakeOpenai(models=(name,), documents=AS_OLLAMA) as fake,
        openai_at(fake.base_url) as provider,
    ):
        await provider.catalogue()

        with pytest.raises(ProviderError, match=ErrorKind.REMOTE_REFUSED):
            await provider.warm(name)

        assert [] == fake.requests(HEALTH)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param(page(404, "no"), ErrorKind.MISCONFIGURED, id="404"),
        pytest.param(page(200, "hello", "text/html"), ErrorKind.MISCONFIGURED, id="page"),
        pytest.param(refuse(400), ErrorKind.MISCONFIGURED, id="400"),
        pytest.param(refuse(401), ErrorKind.CREDENTIAL, id="401"),
        pytest.param(page(500, ""), ErrorKind.TRANSIENT, id="500"),
        pytest.param(reply({"models": []}), ErrorKind.PROTOCOL, id="another document"),
        pytest.param(page(200, "{", "application/json"), ErrorKind.PROTOCOL, id="no JSON"),
        pytest.param(end(End.CUT), ErrorKind.CONNECT, id="cut"),
    ],
)
async def test_says_why_there_is_no_catalogue(script: Script, expected: ErrorKind) -> None:
    async with FakeOpenai() as fake, openai_at(fake.base_url) as provider:
        fake.will(script, path=MODELS, times=2)

        with pytest.raises(ProviderError, match=expected):
            await provider.catalogue()


@pytest.mark.parametrize(
    ("path", "script"),
    [
        pytest.param(VERSION, end(End.CUT), id="no version"),
        pytest.param(VERSION, page(503, "busy"), id="version refused"),
        pytest.param(TAGS, page(500, "{}"), id="no tags"),
        pytest.param(TAGS, reply({"tags": []}), id="other tags"),
    ],
)
async def test_knows_nothing_where_it_cannot_know_what_runs_elsewhere(
    path: str, script: Script
) -> None:
    async with (
        FakeOpenai(models=("m",), documents=AS_OLLAMA) as fake,
        openai_at(fake.base_url) as provider,
    ):
        fake.will(script, path=path, times=2)

        with pytest.raises(ProviderError):
            await provider.catalogue()


@pytest.mark.parametrize(
    "script",
    [
        page(404, "no"),
        page(401, "no"),
        page(200, "<html>", "text/html"),
        reply({"name": "x"}),
        reply({"version": 3}),
    ],
)
async def test_takes_no_other_server_for_an_ollama(script: Script) -> None:
    async with FakeOpenai(models=("m",)) as fake, openai_at(fake.base_url) as provider:
        fake.will(script, path=VERSION)

        catalogue = await provider.catalogue()

        assert ({"m": "m"}, "") == (names_of(catalogue), catalogue.version)
        assert [] == fake.requests(TAGS)


async def test_shows_no_version_that_is_free_text() -> None:
    documents = {**AS_OLLAMA, VERSION: {"version": "hello there"}}
    async with (
        FakeOpenai(models=("m",), documents=documents) as fake,
        openai_at(fake.base_url) as provider,
    ):
        catalogue = await provider.catalogue()

        assert "" == catalogue.version
        assert "stub" in catalogue.remote


async def test_gives_a_look_up_in_time() -> None:
    async with FakeOpenai() as fake, upstream_at(fake.base_url) as upstream:
        fake.will(silent(), path=MODELS)

        with pytest.raises(ProviderError, match=ErrorKind.SILENT):
            await OpenaiModels(upstream, (), unfinished=unfinished(), look_limit_s=0.05).catalogue()


async def test_waits_until_an_engine_serves() -> None:
    async with FakeOpenai() as fake, upstream_at(fake.origin) as origin:
        fake.will(refuse(503, "Loading model"), path=HEALTH, times=3)
        fake.will(reply({"status": "ok"}), path=HEALTH)

        await wait_until_loaded(origin, every_s=0.001)

        assert 4 == len(fake.requests(HEALTH))


async def test_asks_an_engine_that_loads_until_somebody_loses_patience() -> None:
    async with FakeOpenai() as fake, upstream_at(fake.origin) as origin:
        fake.will(refuse(503, "Loading model"), path=HEALTH, times=1_000_000)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(wait_until_loaded(origin, every_s=0.001))
            await fake.received(3, path=HEALTH)
            waiting.cancel()

        assert waiting.cancelled()


async def test_waits_for_no_server_that_tells_nothing() -> None:
    async with FakeOpenai() as fake, openai_at(fake.base_url) as provider:
        await provider.warm("m")
        await provider.unload("m")

        assert [HEALTH] == [one.path for one in fake.exchanges]


async def test_waits_for_no_hosted_service() -> None:
    async with (
        FakeOpenai() as fake,
        openai_at(fake.base_url, locality=Locality.REMOTE) as provider,
    ):
        await provider.warm("m")

        assert [] == fake.exchanges


@pytest.mark.parametrize(
    ("script", "expected"),
    [(page(500, ""), ErrorKind.TRANSIENT), (end(End.CUT), ErrorKind.CONNECT)],
)
async def test_says_why_an_engine_will_not_serve(script: Script, expected: ErrorKind) -> None:
    async with FakeOpenai() as fake, openai_at(fake.base_url) as provider:
        fake.will(script, path=HEALTH, times=2)

        with pytest.raises(ProviderError, match=expected):
            await provider.warm("m")
