"""One entry of one kind, as `load` makes it."""

import json
from collections.abc import Mapping
from pathlib import Path

from llmsvc_server.config.providers import AnthropicSettings, OllamaSettings, OpenaiSettings
from tests.unit.server.config.loading import loaded, problems


def _text(kind: str, keys: Mapping[str, object]) -> str:
    return f"llm:\n  providers:\n    one: {json.dumps({'kind': kind, **keys})}\n    ollama: {{}}\n  default_provider: ollama\n"


def ollama(folder: Path, **keys: object) -> OllamaSettings:
    """Return an entry of kind ollama with these keys."""
    entry = loaded(folder, _text("ollama", keys)).settings.llm.providers["one"]
    assert isinstance(entry, OllamaSettings)
    return entry


def openai(folder: Path, **keys: object) -> OpenaiSettings:
    """Return an entry of kind openai with these keys."""
    entry = loaded(folder, _text("openai", keys)).settings.llm.providers["one"]
    assert isinstance(entry, OpenaiSettings)
    return entry


def anthropic(folder: Path, **keys: object) -> AnthropicSettings:
    """Return an entry of kind anthropic with these keys."""
    entry = loaded(folder, _text("anthropic", keys)).settings.llm.providers["one"]
    assert isinstance(entry, AnthropicSettings)
    return entry


def refusals(folder: Path, kind: str, **keys: object) -> list[str]:
    """Return what is wrong with such an entry, each without its place up to the entry's name."""
    place = "settings.yaml:3: llm.providers.one."
    return [line.removeprefix(place) for line in problems(folder, _text(kind, keys))]
