"""The overlay of deploy/README.md puts a cloud after Ollama: over the base, and by its own words."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmsvc_server.config.providers import OllamaSettings, OpenaiSettings
from llmsvc_server.config.sources import Loaded, load
from tests.architecture.command import ROOT
from tests.deploy.conftest import Document

KEY = "sk-of-the-secret"


def operation(kind: str) -> Document:
    """Return the one operation of the README's patch for a kind."""
    text = (ROOT / "deploy/README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    overlay = next(document for document in map(yaml.safe_load, blocks) if "patches" in document)
    (patch,) = [one for one in overlay["patches"] if one["target"]["kind"] == kind]
    (only,) = yaml.safe_load(patch["patch"])
    found: Document = only
    return found


def at(document: Document, path: str) -> Any:  # noqa: ANN401  whatever stands there
    """Return what stands at a path of JSON Patch."""
    place: Any = document
    for name in path.strip("/").split("/"):
        place = place[int(name)] if isinstance(place, list) else place[name]
    return place


@pytest.fixture
def loaded(cluster_config: Path) -> Loaded:
    """Return what a pod of the overlay runs with."""
    variables = {one["name"]: one.get("value", KEY) for one in operation("Deployment")["value"]}
    return load(str(cluster_config), variables)


def test_openai_is_asked_after_ollama_with_the_key_of_the_secret(loaded: Loaded) -> None:
    llm = loaded.settings.llm
    openai = llm.providers["openai"]
    assert isinstance(openai, OpenaiSettings)
    assert openai.api_key is not None

    assert ["ollama", "openai"] == list(llm.candidates)
    assert KEY == openai.api_key.get_secret_value()


def test_each_patch_fits_the_base(manifests: dict[str, Document]) -> None:
    environment, egress = operation("Deployment"), operation("NetworkPolicy")
    parent, _, added = environment["path"].rpartition("/")

    assert "env" == added
    assert "env" not in at(manifests["deployment.yaml"], parent)
    assert isinstance(at(manifests["networkpolicy.yaml"], egress["path"].removesuffix("/-")), list)


def test_the_way_out_leads_to_the_clouds_port_and_not_into_private_networks(
    loaded: Loaded,
) -> None:
    rule = operation("NetworkPolicy")["value"]
    openai = loaded.settings.llm.providers["openai"]
    assert isinstance(openai, OpenaiSettings)

    assert openai.base_url.startswith("https://")
    assert [{"port": 443, "protocol": "TCP"}] == rule["ports"]
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} == set(
        rule["to"][0]["ipBlock"]["except"]
    )


def test_another_network_of_the_operators_is_added_by_the_variable(cluster_config: Path) -> None:
    text = (ROOT / "deploy/README.md").read_text(encoding="utf-8")
    name, value = re.findall(r"`(LLMSVC_\w+LOCAL_NETWORKS)`\s+with\s+`([^`]+)`", text)[0]
    ollama = load(str(cluster_config), {name: value}).settings.llm.candidates["ollama"]
    assert isinstance(ollama, OllamaSettings)

    assert ("100.64.0.0/10",) == ollama.local_networks
