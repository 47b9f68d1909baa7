"""An entry of kind openai: OpenAI itself, a compatible cloud, or a server in the house."""

from pathlib import Path

import pytest

from tests.unit.server.config.entries import openai, refusals

LOCAL = {"base_url": "http://gpu-box:8000/v1", "local": True}
THINKS = {
    "gpt-5": True,
    "o3": True,
    "deepseek-reasoner": True,
    "gpt-4o-mini": False,
    "gpt-4.1": False,
    "gpt-3.5-turbo": False,
    "gpt-35-turbo": False,
    "chatgpt-4o-latest": False,
    "openai/gpt-4o": False,
    "ft:gpt-4o-mini:us::1": False,
    "openai/gpt-5": True,
}
LIMIT_FIELDS = {
    "https://api.openai.com/v1": "max_completion_tokens",
    "https://eu.api.openai.com/v1": "max_completion_tokens",
    "https://mine.openai.azure.com/openai/v1": "max_completion_tokens",
    "https://API.OpenAI.com./v1": "max_completion_tokens",
    "https://openai.azure.com.evil.example/v1": "max_tokens",
    "https://notapi.openai.com/v1": "max_tokens",
    "https://gateway.example/api.openai.com/v1": "max_tokens",
    "http://gpu-box:8000/v1": "max_tokens",
}


def waits(folder: Path, **keys: object) -> tuple[float, float, float, float]:
    """Return connect, first token, idle and cold limit, in seconds."""
    entry = openai(folder, **keys)
    return (
        entry.connect_timeout_s,
        entry.first_token_timeout_s,
        entry.idle_timeout_s,
        entry.cold_timeout_s,
    )


def test_a_cloud_that_streams_its_thoughts_has_to_be_quick(tmp_path: Path) -> None:
    assert waits(tmp_path, model="gpt-4o-mini") == (5, 12, 30, 12)


def test_a_cloud_that_may_think_unseen_gets_two_minutes(tmp_path: Path) -> None:
    assert waits(tmp_path, model="gpt-5") == (5, 120, 120, 120)
    assert waits(tmp_path) == (5, 120, 120, 120)


def test_a_local_server_gets_a_minute_and_longer_to_load(tmp_path: Path) -> None:
    assert waits(tmp_path, model="qwen3", **LOCAL) == (2, 60, 60, 300)


def test_timeout_replaces_the_limits_on_silence(tmp_path: Path) -> None:
    assert waits(tmp_path, model="gpt-4o", timeout=7) == (5, 7, 7, 7)
    assert waits(tmp_path, model="q", timeout=400, **LOCAL) == (2, 400, 400, 400)


def test_timeout_does_not_cut_hidden_thinking_short(tmp_path: Path) -> None:
    assert waits(tmp_path, model="gpt-5", timeout=7) == (5, 120, 120, 120)
    assert waits(tmp_path, model="gpt-5", timeout=200) == (5, 200, 200, 200)
    assert waits(tmp_path, model="q", hidden_thinking=True, **LOCAL) == (2, 120, 120, 300)


def test_a_limit_that_is_set_is_kept(tmp_path: Path) -> None:
    limits = {"connect_timeout_s": 1, "first_token_timeout_s": 3, "idle_timeout_s": 4}

    assert waits(tmp_path, model="gpt-5", timeout=200, **limits) == (1, 3, 4, 3)


def test_a_cold_limit_below_the_warm_one_is_refused(tmp_path: Path) -> None:
    assert [
        (
            "cold_timeout_s: is less than the limit for a model that is in memory already; give at"
            " least 60, or lower first_token_timeout_s"
        )
    ] == refusals(tmp_path, "openai", cold_timeout_s=59, **LOCAL)


@pytest.mark.parametrize("model", THINKS)
def test_a_models_name_tells_whether_it_may_think_unseen(tmp_path: Path, model: str) -> None:
    assert THINKS[model] is openai(tmp_path, model=model).hidden_thinking
    assert openai(tmp_path, model=model, **LOCAL).hidden_thinking is False
    assert openai(tmp_path, model=model, hidden_thinking=True).hidden_thinking is True


@pytest.mark.parametrize("url", LIMIT_FIELDS)
def test_the_new_name_of_the_token_limit_is_for_openai_and_azure(tmp_path: Path, url: str) -> None:
    entry = openai(tmp_path, base_url=url)

    assert LIMIT_FIELDS[url] == entry.token_limit_field
    assert entry.is_openai is LIMIT_FIELDS[url].startswith("max_completion")


def test_the_name_of_the_token_limit_can_be_set(tmp_path: Path) -> None:
    old = {"token_limit_field": "max_tokens"}

    assert old.items() <= openai(tmp_path, **old).model_dump().items()


def test_more_chats_run_at_once_in_a_cloud(tmp_path: Path) -> None:
    assert openai(tmp_path).max_in_flight == 64
    assert openai(tmp_path, **LOCAL).max_in_flight == 8
    assert openai(tmp_path, max_in_flight=3, **LOCAL).max_in_flight == 3


def test_an_address_keeps_its_v1_and_loses_its_slash(tmp_path: Path) -> None:
    assert openai(tmp_path).base_url == "https://api.openai.com/v1"
    assert openai(tmp_path, base_url="http://h:1/v1/").base_url == "http://h:1/v1"
    assert openai(tmp_path, base_url="http://h:1").base_url == "http://h:1"


@pytest.mark.parametrize("end", ["/chat/completions", "/models", "/embeddings", "/completions"])
def test_an_endpoint_instead_of_its_root_is_refused(tmp_path: Path, end: str) -> None:
    assert [
        f"base_url: ends in {end}, and the server adds the path itself; write http://h:1/v1"
    ] == refusals(tmp_path, "openai", base_url=f"http://h:1/v1{end}")


def test_a_local_entry_has_to_name_its_address(tmp_path: Path) -> None:
    assert [
        (
            "local: is not in the operator's network: OpenAI is there by default; set base_url, or"
            " remove local"
        )
    ] == refusals(tmp_path, "openai", local=True)


def test_a_model_may_be_named_after_its_file(tmp_path: Path) -> None:
    assert openai(tmp_path, model="/models/Qwen3-8B.gguf").model == "/models/Qwen3-8B.gguf"
    assert ["model: not accepted; allowed: a model's name such as gpt-4o-mini, or null"] == (
        refusals(tmp_path, "openai", model="two words")
    )
