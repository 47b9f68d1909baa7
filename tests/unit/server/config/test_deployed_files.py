"""deploy/config: each file says what it claims to say."""

import re
from collections.abc import Mapping
from pathlib import Path

from llmsvc_server.config.keys import keys
from llmsvc_server.config.providers import OllamaSettings
from llmsvc_server.config.settings import Settings
from llmsvc_server.config.sources import load
from tests.architecture.command import ROOT
from tests.unit.server.config.loading import loaded

DEV = str(ROOT / "deploy/config/dev.yaml")
PRODUCTION = str(ROOT / "deploy/config/production.yaml")
PATTERNS = {
    "local-only": ["ollama"],
    "local-then-cloud": ["ollama", "openai"],
    "cloud-then-local": ["claude", "ollama"],
    "pool-vllm-cloud": ["ollama", "vllm", "openai"],
}
FAKE_KEYS = {"OPENAI_API_KEY": "sk-fake", "ANTHROPIC_API_KEY": "sk-ant-fake"}


def load_pattern(name: str, environ: Mapping[str, str] = FAKE_KEYS) -> Settings:
    """Return the settings of one fallback pattern, as somebody with both keys has them."""
    return load(str(ROOT / f"deploy/config/{name}.yaml"), environ).settings


def test_dev_asks_ollama_then_the_mock() -> None:
    settings = load(DEV, {}).settings

    assert ["ollama", "mock"] == list(settings.llm.candidates)
    assert settings.server.on_loopback


def test_each_fallback_pattern_asks_whom_it_says() -> None:
    asked = {name: list(load_pattern(name).llm.candidates) for name in PATTERNS}

    assert PATTERNS == asked


def test_each_fallback_pattern_serves_without_a_key() -> None:
    without = {name: list(load_pattern(name, {}).llm.candidates) for name in PATTERNS}

    assert without == {
        "local-only": ["ollama"],
        "local-then-cloud": ["ollama"],
        "cloud-then-local": ["ollama"],
        "pool-vllm-cloud": ["ollama", "vllm"],
    }


def test_only_local_only_keeps_everything_inside() -> None:
    inside = [name for name in PATTERNS if load_pattern(name).llm.operator_privacy == "local_only"]

    assert ["local-only"] == inside


def test_the_pool_has_two_servers_and_a_local_vllm() -> None:
    providers = load_pattern("pool-vllm-cloud").llm.providers
    pool, vllm = providers["ollama"], providers["vllm"]

    assert isinstance(pool, OllamaSettings)
    assert pool.urls == ("http://gpu-1:11434", "http://gpu-2:11434")
    assert not vllm.is_cloud


def test_production_is_ollama_alone_for_other_machines() -> None:
    settings = load(PRODUCTION, {}).settings
    active = {
        "LLMSVC_SERVER__LISTEN": "0.0.0.0:50051",
        "LLMSVC_SERVER__HEALTH_LISTEN": "0.0.0.0:50052",
        "LLMSVC_SERVER__REFLECTION": "false",
    }
    defaults = load(None, active).settings

    assert ["ollama"] == list(settings.llm.candidates)
    assert not settings.server.on_loopback
    assert defaults.model_dump(exclude={"llm"}) == settings.model_dump(exclude={"llm"})
    assert defaults.llm.candidates == settings.llm.candidates


def test_the_comments_of_production_show_every_default(tmp_path: Path) -> None:
    commented = Path(PRODUCTION).read_text(encoding="utf-8")
    active = re.sub(
        r"^( *)# ( *[a-z_]+:(?: [^ #]+)?(?: #.*)?)$", r"\1\2", commented, flags=re.MULTILINE
    )
    result = loaded(tmp_path, active)
    silent = {path for path, origin in result.origins.items() if origin == "default"}
    shown_for_ollama = {
        ".".join(place) for place in keys() if {"mock", "openai", "anthropic"}.isdisjoint(place)
    }

    assert load(PRODUCTION, {}).settings == result.settings
    assert {"llm.providers.ollama.kind"} == silent & shown_for_ollama
