"""The Dockerfile: what ends up in the image, and who runs it."""

import json
import re
from pathlib import Path

import pytest

from tests.architecture.command import ROOT
from tests.fakes.server_process import config_file, server_process
from tests.interop.conftest import MOCK_ALONE
from tests.interop.programs import SEARCHED
from tests.interop.running import run


@pytest.fixture(scope="module")
def builder() -> str:
    """Return the first stage."""
    text = (ROOT / "deploy/docker/Dockerfile").read_text(encoding="utf-8")
    return text.partition("\nFROM ")[2].partition("\nFROM ")[0].replace("\\\n", " ")


@pytest.fixture(scope="module")
def copied() -> set[str]:
    """Return what the builder copies out of the build context."""
    text = (ROOT / "deploy/docker/Dockerfile").read_text(encoding="utf-8")
    lines = re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
    return {source for line in lines for source in line.split()[:-1]}


def test_runs_as_a_number_that_is_not_root(dockerfile: dict[str, list[str]]) -> None:
    (user,) = dockerfile["USER"]

    assert re.fullmatch(r"[1-9][0-9]*:[1-9][0-9]*", user)


def test_server_is_process_one_and_gets_the_signals(dockerfile: dict[str, list[str]]) -> None:
    assert [json.loads(text) for text in dockerfile["ENTRYPOINT"]] == [["llmsvc-server"]]


@pytest.fixture(scope="module")
def check(dockerfile: dict[str, list[str]]) -> list[str]:
    """Return what asks a container whether it is well."""
    command: list[str] = json.loads(dockerfile["HEALTHCHECK"][0].partition("CMD ")[2])
    return command


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])  # noqa: S104  as pods do
@pytest.mark.parametrize("setting", ["listen", "health_listen"])
async def test_container_health_is_liveness_where_the_server_listens(
    check: list[str],
    setting: str,
    host: str,
    unused_tcp_port: int,
    tmp_path: Path,
) -> None:
    listen = {"server": {setting: f"{host}:{unused_tcp_port}"}}
    config = config_file(tmp_path, {**MOCK_ALONE, **listen})
    environ = {"PATH": SEARCHED, "LLMSVC_CONFIG": str(config)}

    async with server_process(config):
        there = await run(*check, environment=environ)
    gone = await run(*check, environment=environ)

    assert (0, "SERVING\n") == (there.code, there.out), there.err
    assert 1 == gone.code  # Docker knows no other


async def test_container_without_its_configuration_is_not_well(check: list[str]) -> None:
    environ = {"PATH": SEARCHED, "LLMSVC_CONFIG": "/nowhere"}

    assert 1 == (await run(*check, environment=environ)).code


def test_final_stage_holds_the_environment_only(dockerfile: dict[str, list[str]]) -> None:
    assert dockerfile["COPY"] == ["--from=builder /opt/llmsvc /opt/llmsvc"]


def test_final_stage_can_install_nothing(dockerfile: dict[str, list[str]], builder: str) -> None:
    (removed,) = dockerfile["RUN"]

    assert "pip uninstall --yes --root-user-action=ignore setuptools wheel pip" in removed
    assert "ensurepip" in removed
    assert "venv --without-pip /opt/llmsvc" in builder


def test_build_takes_an_index_and_a_certificate_authority(builder: str) -> None:
    assert {"PIP_INDEX_URL", "PIP_CERT"} <= set(
        re.findall(r'^ARG (\w+)=""$', builder, re.MULTILINE)
    )
    assert "--mount=type=secret,id=ca" in builder


def test_build_resolves_nothing(builder: str) -> None:
    installs = re.findall(r"install (.+)", builder)

    assert installs
    assert all(arguments.startswith("--no-deps ") for arguments in installs)


def test_build_context_is_what_the_builder_copies(copied: set[str]) -> None:
    ignore = (ROOT / "deploy/docker/Dockerfile.dockerignore").read_text(encoding="utf-8")
    allowed = {line[1:] for line in ignore.splitlines() if line.startswith("!")}

    assert "*" in ignore.splitlines()
    assert copied == allowed


def test_everything_that_is_copied_exists(copied: set[str]) -> None:
    assert [name for name in copied if not (ROOT / name).exists()] == []
