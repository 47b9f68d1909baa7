"""Local servers of OpenAI's routes as they really are: passing for an Ollama, listing oddly."""

import pytest

from llmsvc_server.app.startup_report import describe_providers
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from tests.fakes.fake_openai import MODELS, FakeOpenai
from tests.fakes.ollama_record import Json
from tests.fakes.ollama_steps import End
from tests.fakes.openai_at import openai_at
from tests.fakes.openai_steps import Script, end, page, reply
from tests.fakes.running_service import running_service
from tests.fakes.scripted_provider import names_of
from tests.integration.calling import failure_of, text_of, whole

VERSION, TAGS = "/api/version", "/api/tags"
SPA = page(200, "<!doctype html><title>Open WebUI</title>", "text/html")
REMOTE: Json = {"model": "stub:latest", "remote_host": "https://example.org:443"}
PASSES: dict[str, Json] = {VERSION: {"version": "v198", "commit": "abc", "build_date": "x"}}

NO_OLLAMA = {
    **{f"{status}": page(status, "no") for status in (400, 401, 403, 404, 405, 410, 501)},
    "JSON 404": reply({"detail": "Not Found"}, 404),
    "JSON 401": reply({"error": {"message": "no key", "code": "401"}}, 401),
    "page": SPA,
    "text": page(200, "ok"),
}
NOBODY_KNOWS = {
    **{f"{status}": page(status, "no") for status in (302, 408, 425, 429, 500, 502, 503)},
    "cut": end(End.CUT),
    "half": page(200, '{"models":[', "application/json"),
    "no list": reply({"models": "none"}),
}


@pytest.mark.parametrize("script", NO_OLLAMA.values(), ids=NO_OLLAMA)
async def test_what_tells_a_version_and_no_models_is_no_ollama(script: Script) -> None:
    async with (
        FakeOpenai(models=("m",), documents=PASSES) as fake,
        openai_at(fake.base_url) as provider,
    ):
        fake.will(script, path=TAGS, times=2)

        catalogue = await provider.catalogue()

        assert ({"m": "m"}, frozenset(), "") == (
            names_of(catalogue),
            catalogue.remote,
            catalogue.version,
        )


@pytest.mark.parametrize("script", NOBODY_KNOWS.values(), ids=NOBODY_KNOWS)
async def test_nothing_is_known_where_nobody_says_which_models_run_elsewhere(
    script: Script,
) -> None:
    async with (
        FakeOpenai(models=("m",), documents=PASSES) as fake,
        openai_at(fake.base_url) as provider,
    ):
        fake.will(script, path=TAGS, times=2)

        with pytest.raises(ProviderError):
            await provider.catalogue()


@pytest.mark.parametrize(
    "script", [page(429, "no"), page(408, "no"), page(200, '{"vers', "application/json")]
)
async def test_nor_where_it_does_not_say_whether_it_is_one(script: Script) -> None:
    async with FakeOpenai(models=("m",)) as fake, openai_at(fake.base_url) as provider:
        fake.will(script, path=VERSION, times=2)

        with pytest.raises(ProviderError):
            await provider.catalogue()


@pytest.mark.parametrize("script", [page(501, "no"), page(302, "no"), reply([]), reply({})])
async def test_a_server_without_that_page_is_none(script: Script) -> None:
    async with FakeOpenai(models=("m",)) as fake, openai_at(fake.base_url) as provider:
        fake.will(script, path=VERSION)

        assert {"m": "m"} == names_of(await provider.catalogue())


@pytest.mark.parametrize("script", NO_OLLAMA.values(), ids=NO_OLLAMA)
async def test_one_that_was_an_ollama_is_not_trusted_more_for_denying_it(script: Script) -> None:
    documents = {**PASSES, TAGS: {"models": [REMOTE, {"model": "m:latest"}]}}
    async with (
        FakeOpenai(models=("m:latest", "stub:latest"), documents=documents) as fake,
        openai_at(fake.base_url) as provider,
    ):
        await provider.catalogue()
        fake.will(script, path=TAGS, times=2)

        assert {"m": "m:latest"} == names_of(await provider.catalogue())
        with pytest.raises(ProviderError, match=ErrorKind.REMOTE_REFUSED):
            await provider.warm("stub")


@pytest.mark.parametrize("odd", [None, 5, "x", {}, {"model": 5}, {"model": None, "name": 7}])
async def test_what_a_hidden_ollama_does_not_vouch_for_stays_unasked_where_its_list_is_odd(
    odd: object,
) -> None:
    documents = {**PASSES, TAGS: {"models": [odd, {"name": "m:latest", "size": "2 GB"}, REMOTE]}}
    names = ("m:latest", "stub:latest", "who-knows:latest")
    async with (
        FakeOpenai(models=names, documents=documents) as fake,
        openai_at(fake.base_url) as provider,
    ):
        assert {"m": "m:latest"} == names_of(await provider.catalogue())


@pytest.mark.parametrize("told", ["https://example.org", 5, True, False, 0, [], {}, ["x"]])
@pytest.mark.parametrize("key", ["remote_host", "remote_model"])
async def test_an_odd_place_to_run_a_model_is_a_place(key: str, told: object) -> None:
    documents = {**PASSES, TAGS: {"models": [{"model": "m:latest", key: told}]}}
    async with (
        FakeOpenai(models=("m:latest",), documents=documents) as fake,
        openai_at(fake.base_url) as provider,
    ):
        catalogue = await provider.catalogue()

        assert ({}, frozenset({"m"})) == (names_of(catalogue), catalogue.remote)


@pytest.mark.parametrize(
    "entry",
    [
        {"id": "m", "ollama": {"model": "m", "remote_host": "https://example.org"}},
        {"id": "m", "remote_model": "big"},
    ],
    ids=["Open WebUI", "as Ollama does"],
)
async def test_a_list_may_say_itself_what_runs_elsewhere(entry: Json) -> None:
    listed = {"data": [entry, {"id": "m"}, {"id": "n", "ollama": {"model": "n"}}]}
    async with FakeOpenai(documents={MODELS: listed}) as fake, openai_at(fake.base_url) as provider:
        catalogue = await provider.catalogue()

        assert ({"n": "n"}, frozenset({"m"})) == (names_of(catalogue), catalogue.remote)
        with pytest.raises(ProviderError, match=ErrorKind.REMOTE_REFUSED):
            await provider.warm("m")


async def test_an_odd_entry_costs_the_others_nothing() -> None:
    odd: list[object] = [
        None,
        5,
        "x",
        [],
        {},
        {"id": 5},
        {"id": None},
        {"id": ""},
        {"id": ["m"]},
        {"name": "x"},
    ]
    listed = {"data": [*odd, {"id": "m", "created": "now"}, {"id": "m"}, {"id": "n", "object": 7}]}
    async with FakeOpenai(documents={MODELS: listed}) as fake, openai_at(fake.base_url) as provider:
        assert {"m": "m", "n": "n"} == names_of(await provider.catalogue())


async def test_an_entry_that_is_no_json_number_costs_the_others_nothing() -> None:
    listed = '{"data":[{"id":1e999},{"id":"m"},{"id":1' + "0" * 400 + "}]}"
    async with FakeOpenai() as fake, openai_at(fake.base_url) as provider:
        fake.will(page(200, listed, "application/json"), path=MODELS)

        assert {"m": "m"} == names_of(await provider.catalogue())


NO_LIST = {
    **{f"{status}": page(status, "no") for status in (404, 405, 501)},
    "JSON 404": reply({"error": {"message": "no such route"}}, 404),
    "empty": reply({"object": "list", "data": []}),
    "null": reply({"object": "list", "data": None}),
    "odd": reply({"data": [None]}),
}


@pytest.mark.parametrize("script", NO_LIST.values(), ids=NO_LIST)
async def test_a_server_that_lists_nothing_is_asked_for_what_is_configured(script: Script) -> None:
    async with (
        FakeOpenai() as fake,
        openai_at(fake.base_url, configured_models=("m", "kimi:cloud")) as provider,
    ):
        fake.will(script, path=MODELS)

        catalogue = await provider.catalogue()

        assert ({"m": "m"}, False) == (names_of(catalogue), catalogue.is_listed)


@pytest.mark.parametrize("script", NO_LIST.values(), ids=NO_LIST)
async def test_an_ollama_that_lists_nothing_has_nothing(script: Script) -> None:
    documents: dict[str, Json] = {**PASSES, TAGS: {"models": [{"model": "have:latest"}]}}
    async with (
        FakeOpenai(documents=documents) as fake,
        openai_at(fake.base_url, configured_models=("m", "have")) as provider,
    ):
        fake.will(script, path=MODELS)

        assert {"have": "have"} == names_of(await provider.catalogue())


async def test_a_list_without_the_configured_model_says_that_it_is_missing() -> None:
    async with (
        FakeOpenai(models=("other",)) as fake,
        openai_at(fake.base_url, configured_models=("m",)) as provider,
    ):
        assert {"other": "other"} == names_of(await provider.catalogue())


async def test_where_nothing_is_configured_there_must_be_a_list() -> None:
    async with FakeOpenai() as fake, openai_at(fake.base_url) as provider:
        fake.will(page(404, "no"), path=MODELS)

        with pytest.raises(ProviderError, match=ErrorKind.MISCONFIGURED):
            await provider.catalogue()


async def test_llama_swap_answers_as_a_local_provider() -> None:
    async with FakeOpenai(models=("m",), documents=PASSES) as fake:
        entry = {"kind": "openai", "local": True, "base_url": fake.base_url, "model": "m"}
        llm = {"providers": {"swap": entry}, "default_provider": "swap", "privacy": "local_only"}
        async with running_service(llm) as service:
            assert fake.answer == await whole(service) == await text_of(service)
            assert service.app.board.table["model/m"]


@pytest.mark.parametrize("script", NO_LIST.values(), ids=NO_LIST)
async def test_a_server_that_loads_on_demand_serves_its_configured_model(script: Script) -> None:
    async with FakeOpenai(models=("m",)) as fake:
        fake.will(script, path=MODELS, times=100)
        entry = {"kind": "openai", "local": True, "base_url": fake.base_url, "model": "m"}
        llm = {"providers": {"vllm": entry}, "default_provider": "vllm"}
        async with running_service(llm) as service:
            assert fake.answer == await whole(service) == await text_of(service)
            assert service.app.board.table["model/m"]
            [finding] = describe_providers(service.app.providers)
            failure = await failure_of(whole(service, model="another"))

    assert finding.good
    assert "vllm lists no models: it is asked for m all the same" == finding.text
    assert ("NOT_FOUND", "MODEL_NOT_FOUND") == (failure.code, failure.reason)
