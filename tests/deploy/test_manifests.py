"""The manifests agree with each other, and with what a restricted namespace admits."""

import tomllib

from tests.architecture.command import ROOT
from tests.deploy.conftest import Document

LABEL = {"app.kubernetes.io/name": "llmsvc"}


def test_kustomization_lists_every_manifest(manifests: dict[str, Document]) -> None:
    listed = set(manifests["kustomization.yaml"]["resources"])

    assert set(manifests) - {"kustomization.yaml"} == listed


def test_everything_is_in_the_one_namespace(manifests: dict[str, Document]) -> None:
    others = set(manifests) - {"kustomization.yaml", "namespace.yaml"}
    namespaces = {manifests[name]["metadata"].get("namespace") for name in others}

    assert {manifests["namespace.yaml"]["metadata"]["name"]} == namespaces


def test_every_selector_finds_the_pods(manifests: dict[str, Document], pod: Document) -> None:
    spread = pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]
    selectors = [
        manifests["deployment.yaml"]["spec"]["selector"]["matchLabels"],
        manifests["service.yaml"]["spec"]["selector"],
        manifests["service-headless.yaml"]["spec"]["selector"],
        manifests["pdb.yaml"]["spec"]["selector"]["matchLabels"],
        manifests["networkpolicy.yaml"]["spec"]["podSelector"]["matchLabels"],
        spread,
    ]

    assert manifests["deployment.yaml"]["spec"]["template"]["metadata"]["labels"] == LABEL
    assert all(selector == LABEL for selector in selectors)


def test_pod_runs_as_the_image_does(
    pod: Document, container: Document, dockerfile: dict[str, list[str]]
) -> None:
    security = pod["securityContext"]

    assert dockerfile["USER"] == [f"{security['runAsUser']}:{security['runAsGroup']}"]
    assert f"CMD {container['args']}".replace("'", '"') == f"CMD {dockerfile['CMD'][0]}"
    assert "command" not in container


def test_pod_is_admitted_where_restricted_is_enforced(pod: Document, container: Document) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_pod_gets_neither_a_token_nor_service_variables(
    manifests: dict[str, Document], pod: Document
) -> None:
    account = manifests["serviceaccount.yaml"]

    assert pod["serviceAccountName"] == account["metadata"]["name"]
    assert pod["automountServiceAccountToken"] is False
    assert account["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False


def test_configuration_is_mounted_where_the_image_looks(
    manifests: dict[str, Document],
    pod: Document,
    container: Document,
    dockerfile: dict[str, list[str]],
) -> None:
    (volume,) = pod["volumes"]
    (mount,) = container["volumeMounts"]
    (key,) = manifests["configmap.yaml"]["data"]

    assert volume["configMap"]["name"] == manifests["configmap.yaml"]["metadata"]["name"]
    assert mount["name"] == volume["name"]
    assert "subPath" not in mount
    assert f"LLMSVC_CONFIG={mount['mountPath']}/{key}" in dockerfile["ENV"][0].split()


def test_image_is_of_this_version(container: Document) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert container["image"] == f"llmsvc:{project['version']}"


def test_an_update_takes_no_pod_away_before_its_successor_serves(
    manifests: dict[str, Document],
) -> None:
    spec = manifests["deployment.yaml"]["spec"]

    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert spec["replicas"] > manifests["pdb.yaml"]["spec"]["maxUnavailable"]
