"""What deploy/ holds, parsed."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.architecture.command import ROOT

BASE = ROOT / "deploy/kubernetes/base"

Document = dict[str, Any]


@pytest.fixture(scope="session")
def manifests() -> dict[str, Document]:
    """Return the base's documents by file name, the kustomization among them."""
    return {
        file.name: yaml.safe_load(file.read_text(encoding="utf-8")) for file in BASE.glob("*.yaml")
    }


@pytest.fixture(scope="session")
def pod(manifests: dict[str, Document]) -> Document:
    """Return the pod's spec."""
    spec: Document = manifests["deployment.yaml"]["spec"]["template"]["spec"]
    return spec


@pytest.fixture(scope="session")
def container(pod: Document) -> Document:
    """Return the only container of the pod."""
    (only,) = pod["containers"]
    container: Document = only
    return container


@pytest.fixture(scope="session")
def cluster_config(
    manifests: dict[str, Document], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the ConfigMap's configuration as the file that a pod reads."""
    file = tmp_path_factory.mktemp("etc-llmsvc") / "config.yaml"
    file.write_text(manifests["configmap.yaml"]["data"]["config.yaml"], encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def dockerfile() -> dict[str, list[str]]:
    """Return the final stage's instructions: name -> its arguments, in order."""
    text = (ROOT / "deploy/docker/Dockerfile").read_text(encoding="utf-8")
    final = text.replace("\\\n", " ").rpartition("\nFROM ")[2]
    found: dict[str, list[str]] = {}
    for line in final.splitlines():
        name, _, rest = line.partition(" ")
        if name.isupper():
            found.setdefault(name, []).append(rest.strip())
    return found
