"""What the adapter says of the models that a server has."""

import asyncio
import math

import pytest

from llmsvc_server.errors import (
    ProviderError,
)
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.abilities import ListedModel
from llmsvc_server.providers.http.client import HttpClient
from llmsvc_server.providers.ollama.chat import OllamaProvider
from llmsvc_server.providers.ollama.models import OllamaModels
from tests.conformance.subjects import ollama_at
from tests.fakes.eventually import PATIENCE_S
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.ollama_disk import Model
from tests.fakes.ollama_record import Json
from tests.fakes.ollama_stage import encode
from tests.fakes.ollama_steps import End, Script, end, headers, page, raw, refuse
from tests.fakes.recordings import VERSIONS, recording, replay
from tests.fakes.scripted_provider import names_of
from tests.fakes.unfinished import unfinished

PHI = "registry.ollama.ai/library/phi3:mini"
LLAMA = "registry.ollama.ai/library/llama3.2:latest"
PAGE = "<html><body>sign in</body></html>"


def at(fake: FakeOllama) -> HttpClient:
    return HttpClient(fake.base_url, connect_timeout_s=2.0, user_agent="llmsvc/test")


def json(document: Json, status: int = 200) -> Script:
    return page(status, encode(document).decode(), "application/json; charset=utf-8")


async def failure_of(provider: OllamaProvider) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await provider.catalogue()
    return caught.value


async def test_lists_models_by_identity_in_the_servers_spelling() -> None:
    async with (
        FakeOllama(models=("phi3:mini", "Llama3.2:latest"), loaded=("phi3:mini",)) as fake,
        ollama_at(fake.base_url) as provider,
    ):
        catalogue = await provider.catalogue()

    assert {PHI: "phi3:mini", LLAMA: "Llama3.2:latest"} == names_of(catalogue)
    assert {PHI} == set(catalogue.loaded or ())
    assert "0.24.0" == catalogue.version


async def test_a_server_without_models_is_a_fact() -> None:
    async with FakeOllama() as fake, ollama_at(fake.base_url) as provider:
        catalogue = await provider.catalogue()

    assert ({}, {}) == (names_of(catalogue), catalogue.loaded)


@pytest.mark.parametrize(
    "name", ["phi3:mini", " PHI3:Mini ", "library/phi3:mini", "phi3:mini:local"]
)
def test_knows_a_model_by_all_its_names(name: str) -> None:
    assert PHI == ollama_at("http://127.0.0.1:1").identity(name)


@pytest.mark.parametrize("name", ["", "phi3:", "a/b/c/d"])
def test_knows_no_model_by_what_is_no_local_name(name: str) -> None:
    assert ollama_at("http://127.0.0.1:1").identity(name) is None


async def test_leaves_out_what_runs_elsewhere() -> None:
    models = (
        "phi3:mini",
        Model(name="gpt-oss:20b", remote_host="https://example.org"),
        Model(name="qwen3-coder:480b-cloud"),
        Model(name="deepseek:cloud"),
    )
    async with FakeOllama(models=models) as fake, ollama_at(fake.base_url) as provider:
        catalogue = await provider.catalogue()

    assert {PHI: "phi3:mini"} == names_of(catalogue)


async def test_knows_a_loaded_model_by_its_digest_too() -> None:
    listed = [
        {"model": "phi3:mini", "digest": "d1"},
        {"model": "my/phi:latest", "digest": "d1"},
        {"model": "other:latest", "digest": ""},
    ]
    running = [{"model": "my/phi:latest", "digest": "d1"}, {"model": "gone:latest", "digest": ""}]
    async with FakeOllama() as fake, ollama_at(fake.base_url) as provider:
        fake.will(json({"models": listed}), path="/api/tags")
        fake.will(json({"models": running}), path="/api/ps")
        catalogue = await provider.catalogue()

    expected = {PHI, "registry.ollama.ai/my/phi:latest", "registry.ollama.ai/library/gone:latest"}
    assert expected == set(catalogue.loaded or ())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", ["tags", "weights-gone-tags"])
async def test_reads_recorded_lists(version: str, case: str) -> None:
    recorded = recording(version, case)
    async with FakeOllama() as fake, ollama_at(fake.base_url) as provider:
        fake.will(replay(recorded), path="/api/tags")
        fake.will(replay(recording(version, "ps-loaded")), path="/api/ps")
        catalogue = await provider.catalogue()

    [document] = recorded.lines
    models = document["models"]
    assert isinstance(models, list)
    assert sorted(one["model"] for one in models) == sorted(names_of(catalogue).values())
    assert {"registry.ollama.ai/library/tiny:latest"} == set(catalogue.loaded or ())


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param(page(404, "404 page not found"), ErrorKind.MISCONFIGURED, id="404 text"),
        pytest.param(refuse(404, "not found"), ErrorKind.MISCONFIGURED, id="404 JSON"),
        pytest.param(refuse(400, "bad request"), ErrorKind.MISCONFIGURED, id="400"),
        pytest.param(page(403, "", ""), ErrorKind.MISCONFIGURED, id="403 empty"),
        pytest.param(page(307, "", "", {"Location": "/"}), ErrorKind.MISCONFIGURED, id="307"),
        pytest.param(page(200, PAGE, "text/html"), ErrorKind.MISCONFIGURED, id="page"),
        pytest.param(page(200, "Ollama is running"), ErrorKind.MISCONFIGURED, id="text"),
        pytest.param(page(401, PAGE, "text/html"), ErrorKind.CREDENTIAL, id="401"),
        pytest.param(page(502, PAGE, "text/html"), ErrorKind.TRANSIENT, id="502"),
        pytest.param(refuse(500, "disk"), ErrorKind.TRANSIENT, id="500"),
        pytest.param((headers(), end(End.CUT)), ErrorKind.MISCONFIGURED, id="a stream"),
        pytest.param(end(End.CUT), ErrorKind.CONNECT, id="cut"),
        pytest.param(raw(b"SSH-2.0-x\r\n"), ErrorKind.PROTOCOL, id="not HTTP"),
        pytest.param(json({"hello": 1}), ErrorKind.PROTOCOL, id="other JSON"),
        pytest.param(json({"models": {}}), ErrorKind.PROTOCOL, id="wrong type"),
        pytest.param(page(200, " ", "application/json"), ErrorKind.PROTOCOL, id="blank"),
        pytest.param(page(200, "[" * 100_000, "application/json"), ErrorKind.PROTOCOL, id="deep"),
        pytest.param(
            page(200, '{"models":[{"model":"' + "x" * 17_000_000, "application/json"),
            ErrorKind.PROTOCOL,
            id="endless",
        ),
    ],
)
async def test_says_why_there_is_no_list(script: Script, expected: ErrorKind) -> None:
    async with FakeOllama() as fake, ollama_at(fake.base_url) as provider:
        fake.will(script, path="/api/tags", times=math.inf)

        assert expected is (await failure_of(provider)).kind


@pytest.mark.parametrize(
    "models",
    [
        *(None, [{}], [{"model": ""}], [{"model": "a b"}], [{"model": "m:cloud"}], [None, 5, "x"]),
        *([{"model": 5}], [{"name": "m:cloud"}], [{"model": "m", "name": "m:cloud"}]),
    ],
)
async def test_passes_over_entries_that_name_no_local_model(models: object) -> None:
    async with FakeOllama() as fake, ollama_at(fake.base_url) as provider:
        fake.will(json({"models": models}), path="/api/tags")

        assert {} == names_of(await provider.catalogue())


ODD: dict[str, object] = {
    "digest": None,
    "size": "2.2 GB",
    "modified_at": None,
    "expires_at": 5,
    "size_vram": "2 GB",
    "details": None,
    "remote_host": None,
    "remote_model": "",
}


@pytest.mark.parametrize(("key", "value"), ODD.items())
async def test_an_entry_with_an_odd_extra_is_served(key: str, value: object) -> None:
    phi: Json = {"model": "phi3:mini", "digest": "d1", "modified_at": "t", "size": 5, key: value}
    listed = [None, 7, {"model": 5}, phi, {"name": "llama3.2:latest", "size": 2.2e9}]
    async with FakeOllama() as fake, ollama_at(fake.base_url) as provider:
        fake.will(json({"models": listed}), path="/api/tags")
        fake.will(json({"models": [None, phi]}), path="/api/ps")
        catalogue = await provider.catalogue()

    assert {PHI: "phi3:mini", LLAMA: "llama3.2:latest"} == names_of(catalogue)
    assert {PHI} == set(catalogue.loaded or ())
    assert 2_200_000_000 == catalogue.models[LLAMA].size_bytes
    assert (None if key == "size" else 5) == catalogue.models[PHI].size_bytes


@pytest.mark.parametrize("size", ["12", True, -1, 0, 1e300, [], {}])
async def test_a_size_that_is_none_is_not_known(size: object) -> None:
    async with FakeOllama() as fake, ollama_at(fake.base_url) as provider:
        fake.will(json({"models": [{"model": "phi3:mini", "size": size}]}), path="/api/tags")
        catalogue = await provider.catalogue()

    assert {PHI: ListedModel("phi3:mini", stamp=" ")} == catalogue.models


@pytest.mark.parametrize("told", ["https://example.org", 5, True, False, 0, [], {}, ["x"]])
@pytest.mark.parametrize("key", ["remote_host", "remote_model"])
async def test_an_odd_place_to_run_a_model_is_a_place(key: str, told: object) -> None:
    listed = [{"model": "phi3:mini", key: told}, {"model": "phi3:mini"}]
    async with FakeOllama() as fake, ollama_at(fake.base_url) as provider:
        fake.will(json({"models": listed}), path="/api/tags")
        catalogue = await provider.catalogue()

    assert ({}, frozenset({PHI})) == (names_of(catalogue), catalogue.remote)


@pytest.mark.parametrize(
    "name",
    [
        "SECRET words\n://registry.ollama.ai/library/phi3:mini",
        "SECRET://registry.ollama.ai/library/phi3:mini",
        *(" phi3:mini", "phi3:mini ", "phi3:mini\n", "\x1cphi3:mini", "phi3\x00:mini"),
        f"{'h' * 253}/n/m",
    ],
)
async def test_passes_over_a_name_with_anything_around_it(name: str) -> None:
    listed = [{"model": name, "digest": "d1"}, {"model": "llama3.2:latest", "digest": "d2"}]
    async with FakeOllama() as fake, ollama_at(fake.base_url) as provider:
        fake.will(json({"models": listed}), path="/api/tags")
        fake.will(json({"models": listed}), path="/api/ps")
        catalogue = await provider.catalogue()

    assert {LLAMA: "llama3.2:latest"} == names_of(catalogue)
    assert {LLAMA} == set(catalogue.loaded or ())


@pytest.mark.parametrize(
    "script",
    [end(End.CUT), refuse(500, "x"), page(404, "404 page not found"), json({"models": 5})],
)
async def test_does_not_know_what_is_loaded_where_the_server_does_not_say(script: Script) -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake, ollama_at(fake.base_url) as provider:
        fake.will(script, path="/api/ps", times=math.inf)
        catalogue = await provider.catalogue()

    assert catalogue.loaded is None
    assert {PHI} == set(catalogue.models)


async def test_waits_a_little_for_what_is_loaded_and_not_for_the_whole_look() -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake, at(fake) as upstream:
        fake.gates["/api/ps"] = Gate()
        async with asyncio.timeout(PATIENCE_S):
            models = OllamaModels(
                upstream, unfinished=unfinished(), look_limit_s=20 * PATIENCE_S, memory_limit_s=0.05
            )
            catalogue = await models.catalogue()

    assert catalogue.loaded is None
    assert {PHI} == set(catalogue.models)


@pytest.mark.parametrize("path", ["/api/tags", "/api/version"])
async def test_a_look_has_a_limit(path: str) -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake, at(fake) as upstream:
        fake.gates[path] = Gate()
        async with asyncio.timeout(PATIENCE_S):
            models = OllamaModels(
                upstream, unfinished=unfinished(), look_limit_s=0.05, memory_limit_s=20 * PATIENCE_S
            )
            try:
                outcome = (await models.catalogue()).version
            except ProviderError as error:
                assert error.kind is ErrorKind.SILENT  # noqa: PT017  one of two outcomes
                outcome = error.phase

    assert {"/api/tags": "connect", "/api/version": ""}[path] == outcome


async def test_asks_for_the_version_at_first_and_after_a_failure() -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake, ollama_at(fake.base_url) as provider:
        first = await provider.catalogue()
        fake.version = "0.25.0"
        second = await provider.catalogue()
        fake.will(refuse(500, "x"), path="/api/tags")
        await failure_of(provider)
        third = await provider.catalogue()

    assert ["0.24.0", "0.24.0", "0.25.0"] == [one.version for one in (first, second, third)]


async def test_a_version_that_is_not_told_is_asked_for_again() -> None:
    async with FakeOllama() as fake, ollama_at(fake.base_url) as provider:
        fake.will(page(404, "404 page not found"), path="/api/version")
        first = await provider.catalogue()
        second = await provider.catalogue()

    assert ("", "0.24.0") == (first.version, second.version)


@pytest.mark.parametrize("version", ["0.24.0", "0.12.10-rc1+build_5", "v" * 64])
async def test_tells_a_version_as_the_server_does(version: str) -> None:
    async with FakeOllama() as fake, ollama_at(fake.base_url) as provider:
        fake.will(json({"version": version}), path="/api/version")

        assert version == (await provider.catalogue()).version


@pytest.mark.parametrize(
    "version", ["SECRET words", "0.24.0\n", "0.24.0\nSECRET", "SÉCRET", "v" * 65, "\x1b[31m", ""]
)
async def test_does_not_know_a_version_that_could_be_any_text(version: str) -> None:
    async with FakeOllama() as fake, ollama_at(fake.base_url) as provider:
        fake.will(json({"version": version}), path="/api/version")

        assert "" == (await provider.catalogue()).version


async def test_looks_over_connections_that_it_keeps() -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake, ollama_at(fake.base_url) as provider:
        for _ in range(3):
            await provider.catalogue()

        assert 1 == len(fake.connections)
        assert {"/api/tags", "/api/version", "/api/ps"} == {one.path for one in fake.exchanges}
