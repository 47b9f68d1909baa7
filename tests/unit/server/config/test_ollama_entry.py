"""An Ollama's entry: one server or several, and what it may run."""

from pathlib import Path

import pytest

from llmsvc_server.config.sources import load
from tests.unit.server.config.entries import ollama, refusals

GPUS = ["http://gpu-1:11434", "http://gpu-2:11434"]


def test_one_server_is_a_pool_of_one(tmp_path: Path) -> None:
    assert ollama(tmp_path).urls == ("http://localhost:11434",)
    assert ollama(tmp_path, base_url="http://gpu-1:1/").urls == ("http://gpu-1:1",)
    assert ollama(tmp_path, base_urls=[]).urls == ("http://localhost:11434",)
    assert ollama(tmp_path, base_urls=None).urls == ("http://localhost:11434",)


def test_several_servers_keep_their_order(tmp_path: Path) -> None:
    assert ollama(tmp_path, base_urls=GPUS).urls == tuple(GPUS)
    assert ollama(tmp_path, base_urls=GPUS, base_url=GPUS[0]).urls == tuple(GPUS)


def test_a_base_url_beside_base_urls_is_refused(tmp_path: Path) -> None:
    assert [
        (
            "base_url: stands beside base_urls, which names another server first; remove it, or add"
            " it to base_urls"
        )
    ] == refusals(tmp_path, "ollama", base_urls=GPUS, base_url="http://gpu-3:11434")


def test_a_server_that_is_listed_twice_is_refused_where_it_comes_again(tmp_path: Path) -> None:
    assert ["base_urls.2: is listed twice; remove one"] == refusals(
        tmp_path, "ollama", base_urls=[*GPUS, f"{GPUS[0]}/"]
    )


def test_each_of_several_addresses_is_checked(tmp_path: Path) -> None:
    assert [
        ("base_urls.1: ends in /v1, and the server adds the path itself; write http://gpu-2:11434")
    ] == refusals(tmp_path, "ollama", base_urls=[GPUS[0], f"{GPUS[1]}/v1"])


def test_limits_and_permissions_have_their_defaults(tmp_path: Path) -> None:
    entry = ollama(tmp_path)

    assert entry.max_in_flight == 8
    assert entry.heal_wedged_models is True
    assert entry.allow_remote_models is False
    assert entry.warm_on_start == ()
    assert entry.serve_models == "any"
    assert entry.aliases == {}


def test_aliases_map_models_and_may_stand_for_every_other_name(tmp_path: Path) -> None:
    aliases = {"gpt-4o": "phi3:mini", "*": "llama3.2"}

    assert aliases == ollama(tmp_path, aliases=aliases).aliases
    assert {} == ollama(tmp_path, aliases=None).aliases


@pytest.mark.parametrize(
    "aliases", [{"a b": "c"}, {"": "c"}, {"a": ""}, {"a": {}}, {"x" * 257: "c"}]
)
def test_an_alias_that_is_no_name_is_refused_at_its_key(
    tmp_path: Path, aliases: dict[str, object]
) -> None:
    (line,) = refusals(tmp_path, "ollama", aliases=aliases)

    assert line.startswith(f"aliases.{next(iter(aliases))[:40]}")
    assert line.endswith(
        "not accepted; allowed: a map from model to model such as {llama3.2: gpt-4o-mini}"
    )


@pytest.mark.parametrize("aliases", [["a"], "a", 5])
def test_aliases_that_are_no_map_are_refused(tmp_path: Path, aliases: object) -> None:
    assert [
        "aliases: not accepted; allowed: a map from model to model such as {llama3.2: gpt-4o-mini}"
    ] == refusals(tmp_path, "ollama", aliases=aliases)


def test_models_to_warm_are_names(tmp_path: Path) -> None:
    assert ollama(tmp_path, warm_on_start=["phi3:mini"]).warm_on_start == ("phi3:mini",)
    assert [
        "warm_on_start.1: not accepted; allowed: a list of models' names such as [phi3:mini]"
    ] == refusals(tmp_path, "ollama", warm_on_start=["phi3:mini", "two words"])


def test_maps_and_lists_of_an_entry_come_from_the_environment_as_json() -> None:
    entry = load(
        None,
        {
            "LLMSVC_LLM__PROVIDERS__OLLAMA__ALIASES": '{"*": "llama3.2"}',
            "LLMSVC_LLM__PROVIDERS__OLLAMA__WARM_ON_START": '["llama3.2"]',
        },
    ).settings.llm.candidates["ollama"]

    assert entry.model_dump()["aliases"] == {"*": "llama3.2"}
    assert entry.model_dump()["warm_on_start"] == ("llama3.2",)
