from typing import Any

import pytest

from llmsvc_server.app.startup_report import describe_providers, describe_start
from llmsvc_server.config.sources import load
from llmsvc_server.rpc.listening import ListenAddresses
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.fake_openai import FakeOpenai
from tests.fakes.ollama_steps import Script, page, refuse, silent
from tests.fakes.running_service import over_ollama, running_service

MOCK_BEHIND = {"mock": True}


async def found(llm: Any) -> list[tuple[str, bool]]:  # noqa: ANN401  a tree of settings
    """Return what is said of the providers of a configuration, once they were looked at."""
    async with running_service(llm) as service:
        await service.app.providers.inventory.wait_for_first_poll()
        return [
            (finding.text, finding.good) for finding in describe_providers(service.app.providers)
        ]


async def test_who_answers_is_said_and_the_mock_stands_behind() -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake:
        said = await found(over_ollama(fake, mock=True))

    assert [
        ("ollama answers with phi3:mini", True),
        ("mock gives canned answers where nobody else can", True),
    ] == said


async def test_a_missing_model_is_said_with_its_remedy_and_canned_answers_loudly() -> None:
    async with FakeOllama(models=("x",)) as fake:
        (missing, good), (canned, canned_good) = await found(over_ollama(fake, mock=True))

    assert "ollama pull phi3:mini" in missing
    assert canned.startswith("CANNED ANSWERS")
    assert (False, False) == (good, canned_good)


async def test_other_models_are_named_with_the_one_variable_that_chooses() -> None:
    names = ("qwen2.5:7b", "llama3.2:latest", *(f"m{number}" for number in range(8)))
    async with FakeOllama(models=names) as fake:
        ((text, good),) = await found(over_ollama(fake))

    assert text == (
        "ollama does not have phi3:mini, but it has llama3.2:latest, m0:latest, m1:latest,"
        " m2:latest, m3:latest and 5 more: name one with LLMSVC_LLM__PROVIDERS__OLLAMA__MODEL,"
        " or install it with: ollama pull phi3:mini"
    )
    assert not good


async def test_without_any_model_only_a_pull_helps() -> None:
    async with FakeOllama(models=()) as fake:
        ((text, _),) = await found(over_ollama(fake))

    assert "ollama does not have phi3:mini; install it with: ollama pull phi3:mini" == text


async def test_what_another_local_server_has_is_named_too() -> None:
    async with FakeOpenai(models=("qwen", "gemma")) as fake:
        entry = {"kind": "openai", "base_url": fake.base_url, "local": True, "model": "phi"}
        ((text, _),) = await found(
            {"providers": {"lm_studio": entry}, "default_provider": "lm_studio"}
        )

    assert text == (
        "lm_studio does not have phi, but it has gemma, qwen: name one with"
        " LLMSVC_LLM__PROVIDERS__LM_STUDIO__MODEL"
    )


@pytest.mark.parametrize(
    ("script", "remedy"),
    [
        (page(404, "not here", "text/plain"), "base_url"),
        (refuse(401, "who are you"), "credentials"),
        (silent(), "does not answer"),
    ],
)
async def test_a_provider_that_cannot_be_asked_is_said_with_why(
    script: Script, remedy: str
) -> None:
    async with FakeOllama() as fake:
        fake.will(script, path="/api/tags", times=100)
        ((text, good),) = await found(over_ollama(fake))

    assert remedy in text
    assert not good


async def test_a_server_that_is_not_there_is_to_be_started() -> None:
    async with FakeOllama() as fake:
        fake.stop_listening()
        ((text, good),) = await found(over_ollama(fake))

    assert "ollama serve" in text
    assert not good


async def test_each_address_of_a_pool_is_spoken_of_by_its_number_and_clouds_are_not() -> None:
    async with FakeOllama(models=("phi3:mini",)) as one, FakeOllama() as other:
        entry = {"kind": "ollama", "base_urls": [one.base_url, other.base_url]}
        cloud = {"kind": "anthropic", "model": "m", "api_key": "k"}
        said = await found(
            {
                "providers": {"ollama": entry, "claude": cloud},
                "default_provider": "ollama",
                "fallback_sequence": ["claude"],
            }
        )

    assert [
        ("ollama#1 answers with phi3:mini", True),
        ("ollama#2 does not have phi3:mini; install it with: ollama pull phi3:mini", False),
    ] == said


def test_the_start_line_names_address_configuration_privacy_and_providers() -> None:
    facts = describe_start(load(None, {}), {"listen": ListenAddresses(("127.0.0.1:50051",))})

    assert "127.0.0.1:50051" == facts["listen"]
    assert not {"listen_also", "listen_left_out"} & facts.keys()
    assert "built-in defaults" == facts["configuration"]
    assert ("local_only", "who is in the sequence") == (facts["privacy"], facts["privacy_source"])
    assert "phi3:mini" in str(facts["providers"])


def test_the_start_line_names_every_address_and_what_was_left_out() -> None:
    places = ListenAddresses(("127.0.0.1:1", "[::1]:1"), ("192.0.2.1:1",))
    facts = describe_start(
        load(None, {}), {"listen": places, "health_listen": ListenAddresses(("[::]:2",))}
    )

    assert ("127.0.0.1:1", ["[::1]:1"]) == (facts["listen"], facts["listen_also"])
    assert ["192.0.2.1:1"] == facts["listen_left_out"]
    assert facts["health_listen"] == "[::]:2"
