"""deploy/ says what the server itself says: health names, ports, drain numbers, configuration."""

import sys
from pathlib import Path

import pytest

from llmsvc_server.config.memory import memory_of
from llmsvc_server.config.providers import OllamaSettings
from llmsvc_server.config.sources import load
from llmsvc_server.health.verdict import Require, judge
from llmsvc_server.lifecycle import LAST_WORDS_S, STOP_SLACK_S
from llmsvc_server.observability.log_writer import FLUSH_S
from llmsvc_server.rpc.drain_refusals import MAX_HELD_S
from tests.architecture.command import ROOT, run
from tests.deploy.conftest import Document

PROBES = {"startupProbe": "liveness", "livenessProbe": "liveness", "readinessProbe": "readiness"}
SLACK_S = 2  # close connections, leave


@pytest.fixture(scope="module")
def port(cluster_config: Path) -> int:
    """Return the port that a pod's server listens on, by its own reading of the configuration."""
    return int(load(str(cluster_config), {}).settings.server.listen.rpartition(":")[2])


@pytest.fixture(scope="module")
def health_port(cluster_config: Path) -> int:
    """Return the port on which it answers probes."""
    listen = load(str(cluster_config), {}).settings.server.health_listen
    assert listen is not None
    return int(listen.rpartition(":")[2])


def test_every_probe_asks_for_a_name_that_the_server_has(container: Document) -> None:
    asked = {probe: container[probe]["grpc"]["service"] for probe in PROBES}
    before_any_provider_is_known = judge([], Require.ANY)

    assert asked == PROBES
    assert set(asked.values()) <= set(before_any_provider_is_known)


def test_probes_go_to_the_listener_for_probes_and_nobody_else_is_led_there(
    health_port: int,
    manifests: dict[str, Document],
    container: Document,
    dockerfile: dict[str, list[str]],
) -> None:
    _, named = container["ports"]
    led = [
        manifests[name]["spec"]["ports"] for name in ("service.yaml", "service-headless.yaml")
    ] + [rule["ports"] for rule in manifests["networkpolicy.yaml"]["spec"]["ingress"]]

    assert {container[probe]["grpc"]["port"] for probe in PROBES} == {health_port}
    assert named == {"name": "health", "containerPort": health_port}
    assert not {"health", health_port} & {
        said for ports in led for entry in ports for said in entry.values()
    }
    assert str(health_port) not in dockerfile["EXPOSE"]


def test_every_other_port_is_the_one_that_the_server_listens_on(
    port: int,
    manifests: dict[str, Document],
    container: Document,
    dockerfile: dict[str, list[str]],
) -> None:
    named, _ = container["ports"]
    services = [
        manifests[name]["spec"]["ports"] for name in ("service.yaml", "service-headless.yaml")
    ]
    policy = manifests["networkpolicy.yaml"]["spec"]
    said = {
        *(int(exposed) for exposed in dockerfile["EXPOSE"]),
        *(entry["port"] for ports in services for entry in ports),
        *(entry["port"] for rule in policy["ingress"] for entry in rule["ports"]),
        named["containerPort"],
    }

    assert said == {port}
    assert {entry["targetPort"] for ports in services for entry in ports} == {named["name"]}


def test_network_policy_lets_the_server_reach_its_ollama(
    cluster_config: Path, manifests: dict[str, Document]
) -> None:
    ollama = load(str(cluster_config), {}).settings.llm.candidates["ollama"]
    assert isinstance(ollama, OllamaSettings)
    egress = manifests["networkpolicy.yaml"]["spec"]["egress"]
    open_ports = {
        entry["port"]
        for rule in egress
        for peer in rule["to"]
        if peer.get("podSelector") == {"matchLabels": {"app.kubernetes.io/name": "ollama"}}
        for entry in rule["ports"]
    }

    assert open_ports == {int(ollama.base_url.rpartition(":")[2])}


def test_a_pod_has_time_for_its_whole_drain(
    cluster_config: Path, pod: Document, container: Document
) -> None:
    drain = load(str(cluster_config), {}).settings.drain
    steps_s = (
        container["lifecycle"]["preStop"]["sleep"]["seconds"],
        drain.pre_drain_s,
        MAX_HELD_S,
        drain.grace_s,
        STOP_SLACK_S,
        LAST_WORDS_S,
        FLUSH_S,
        SLACK_S,
    )

    assert sum(steps_s) <= pod["terminationGracePeriodSeconds"]


def test_a_pod_has_the_memory_that_its_settings_may_take(
    cluster_config: Path, container: Document
) -> None:
    limit = container["resources"]["limits"]["memory"]
    most = memory_of(load(str(cluster_config), {}).settings).total_bytes

    assert "Mi" == limit[-2:]
    assert most <= int(limit[:-2]) * 2**20 < 1.1 * most


def test_cluster_configuration_is_production_with_the_clusters_ollama(
    cluster_config: Path,
) -> None:
    its_ollama = {"LLMSVC_LLM__PROVIDERS__OLLAMA__BASE_URL": "http://ollama:11434"}
    production = load(str(ROOT / "deploy/config/production.yaml"), its_ollama).settings
    in_cluster = load(str(cluster_config), {}).settings

    assert production.model_dump() == in_cluster.model_dump()


def test_server_accepts_the_cluster_configuration(cluster_config: Path) -> None:
    server = Path(sys.executable).with_name("llmsvc-server")
    checked = run(server, "config", "check", "--config", cluster_config)

    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("name", sorted(file.name for file in (ROOT / "deploy/config").iterdir()))
def test_server_accepts_the_configuration_files(name: str) -> None:
    server = Path(sys.executable).with_name("llmsvc-server")
    checked = run(server, "config", "check", "--config", ROOT / "deploy/config" / name)

    assert checked.returncode == 0, checked.stderr
