"""What `config show` and `config schema` print."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from llmsvc_server.config.keys import keys
from llmsvc_server.config.show import schema, show, summary
from llmsvc_server.config.sources import load
from tests.architecture.command import ROOT
from tests.unit.server.config.loading import CUSTOMERS_BLOCK, loaded, problems

ODD = {
    "LLMSVC_SERVER__LISTEN": "[::1]:0",
    "LLMSVC_SERVER__REFLECTION": "no",
    "LLMSVC_LIMITS__CHAT_DEADLINE_S": "0.125e1",
    "LLMSVC_LLM__PROVIDERS__MOCK__ENABLED": "true",
    "LLMSVC_LLM__PROVIDERS__MOCK__MODEL": "null.1",
    "LLMSVC_LLM__PROVIDERS__NEAR__KIND": "ollama",
    "LLMSVC_LLM__PROVIDERS__NEAR__MODEL": "yes",
    "LLMSVC_LLM__PROVIDERS__NEAR__NUM_CTX": "null",
    "LLMSVC_LLM__PROVIDERS__NEAR__BASE_URL": "https://[::1]:1/x",
    "LLMSVC_LLM__PROVIDERS__NEAR__LOCAL_NETWORKS": '["100.64.0.0/10"]',
    "LLMSVC_LLM__PROVIDERS__NEAR__ALIASES": '{"*": "yes", "a:b": "null", "{x,y}": "c:"}',
    "LLMSVC_LLM__PROVIDERS__POOL__KIND": "ollama",
    "LLMSVC_LLM__PROVIDERS__POOL__BASE_URLS": '["http://a:1", "http://[::1]:2"]',
    "LLMSVC_LLM__PROVIDERS__OPENAI__MODEL": "/models/q#1",
    "LLMSVC_LLM__PROVIDERS__ANTHROPIC__TIMEOUT": "7",
    "LLMSVC_LLM__FALLBACK_SEQUENCE": '["near", "mock", "ollama"]',
}
FILES = {
    "the customer's": CUSTOMERS_BLOCK.replace("openai", "ollama"),
    "dev": (ROOT / "deploy/config/dev.yaml").read_text(encoding="utf-8"),
    "production": (ROOT / "deploy/config/production.yaml").read_text(encoding="utf-8"),
    "nothing": "{}",
    "bare entry": "llm: {providers: {ollama: {model: phi3:mini}, mock: {}}, default_provider: mock}",
    "named": "llm: {providers: {near: {kind: ollama, num_ctx: null}}}",
}
REFUSED_BY_SCHEMA = (
    "servr: {}",
    "server: {listn: x}",
    "server: {max_chats: 0}",
    "server: {max_chats: many}",
    "health: {require: maybe}",
    "llm: {providers: {near: {model: x}}}",
    "llm: {providers: {near: {kind: azure}}}",
    "llm: {providers: {ollama: {enabled: true}}}",
    "llm: {providers: {Near: {kind: ollama}}}",
)


@pytest.mark.parametrize("environ", [{}, ODD], ids=["defaults", "odd"])
def test_what_is_shown_loads_as_it_is(tmp_path: Path, environ: dict[str, str]) -> None:
    effective = load(None, environ)
    shown = show(effective)

    assert effective.settings == loaded(tmp_path, shown).settings
    assert isinstance(yaml.safe_load(shown), dict)


def test_each_setting_is_shown_with_its_source(tmp_path: Path) -> None:
    effective = loaded(tmp_path, "drain: {grace_s: 7}", {"LLMSVC_SERVER__MAX_CHATS": "3"})
    lines = [line.split() for line in show(effective).splitlines()]

    assert ["max_chats:", "3", "#", "LLMSVC_SERVER__MAX_CHATS"] in lines
    assert ["grace_s:", "7", "#", f"{tmp_path}/settings.yaml"] in lines
    assert ["pre_drain_s:", "5", "#", "default"] in lines


def test_every_setting_of_a_section_is_shown() -> None:
    shown = load(None, ODD).origins

    assert {".".join(place) for place in keys()} <= set(shown)


def test_the_first_line_tells_who_is_asked() -> None:
    assert "built-in defaults: asks ollama (phi3:mini)" == summary(load(None, {}))
    assert show(load(None, ODD)).startswith(
        "# built-in defaults: asks near (yes), then mock (null.1), then ollama (phi3:mini)\n"
    )


@pytest.mark.parametrize("name", FILES)
def test_the_schema_takes_what_the_server_takes(name: str) -> None:
    jsonschema.validate(yaml.safe_load(FILES[name]), json.loads(schema()))


@pytest.mark.parametrize("text", REFUSED_BY_SCHEMA)
def test_the_schema_refuses_what_the_server_refuses(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), json.loads(schema()))


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(schema()))


def test_every_setting_is_described() -> None:
    assert [] == [place for place, field in keys().items() if not field.description]
