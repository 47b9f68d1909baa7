"""The Dockerfile: what ends up in the image, and who runs it."""

import json
import re

import pytest

from tests.architecture.command import ROOT


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


def test_container_health_is_liveness(dockerfile: dict[str, list[str]]) -> None:
    (check,) = dockerfile["HEALTHCHECK"]

    assert json.loads(check.partition("CMD ")[2]) == ["llmsvc", "health", "liveness"]


def test_final_stage_holds_the_environment_only(dockerfile: dict[str, list[str]]) -> None:
    assert dockerfile["COPY"] == ["--from=builder /opt/llmsvc /opt/llmsvc"]
    assert "RUN" not in dockerfile


def test_build_context_is_what_the_builder_copies(copied: set[str]) -> None:
    ignore = (ROOT / "deploy/docker/Dockerfile.dockerignore").read_text(encoding="utf-8")
    allowed = {line[1:] for line in ignore.splitlines() if line.startswith("!")}

    assert "*" in ignore.splitlines()
    assert copied == allowed


def test_everything_that_is_copied_exists(copied: set[str]) -> None:
    assert [name for name in copied if not (ROOT / name).exists()] == []
