"""deploy/config: each file says what it claims to say."""

import re
from pathlib import Path

from llmsvc_server.config.keys import keys
from llmsvc_server.config.sources import load
from tests.architecture.command import ROOT
from tests.unit.server.config.loading import loaded

DEV = str(ROOT / "deploy/config/dev.yaml")
PRODUCTION = str(ROOT / "deploy/config/production.yaml")


def test_dev_asks_ollama_then_the_mock() -> None:
    settings = load(DEV, {}).settings

    assert ["ollama", "mock"] == list(settings.llm.candidates)
    assert settings.server.on_loopback


def test_production_is_ollama_alone_for_other_machines() -> None:
    settings = load(PRODUCTION, {}).settings
    defaults = load(None, {"LLMSVC_SERVER__LISTEN": "0.0.0.0:50051"}).settings

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
    shown_for_ollama = {".".join(place) for place in keys() if "mock" not in place}

    assert load(PRODUCTION, {}).settings == result.settings
    assert {"llm.providers.ollama.kind"} == silent & shown_for_ollama
