"""`make tools` and `make test-tools` as a person meets them."""

import re
import shutil
from pathlib import Path

import pytest

from tests.interop.programs import ROOT, program
from tests.interop.running import run

SCRIPT = ROOT / ".ci/tools.sh"
FROM_THE_SYSTEM = ("bash", "dirname")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a folder for PATH with nothing in it that is to be installed."""
    for name in FROM_THE_SYSTEM:
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    return tmp_path


def fake(path: Path, name: str, says: str) -> None:
    (path / name).write_text(f"#!/bin/sh\necho {says}\n")
    (path / name).chmod(0o755)


@pytest.mark.parametrize(
    ("there", "missing"),
    [((), "go is missing"), (("go",), "npm is missing"), (("go", "npm"), "c++-absent is missing")],
)
async def test_a_missing_tool_is_named_in_one_line(
    path: Path, there: tuple[str, ...], missing: str
) -> None:
    for name in there:
        fake(path, name, "c++-absent")  # what `go env CXX` says
    ran = await run("bash", SCRIPT, "tests", environment={"PATH": str(path)})

    assert 1 == ran.code
    assert "" == ran.out
    (line,) = ran.err.splitlines()
    assert f"tools: {missing}" in line


async def test_what_a_person_wants_needs_go_only(path: Path) -> None:
    for name in ("awk", "mkdir"):
        (path / name).symlink_to(str(shutil.which(name)))
    fake(path, "go", "built")
    ran = await run("bash", SCRIPT, environment={"PATH": str(path)})

    assert (0, "") == (ran.code, ran.err)
    assert "ollama" not in ran.out


@pytest.mark.interop
async def test_nothing_is_done_twice() -> None:
    program("ollama")
    ran = await run("bash", SCRIPT, "tests", within_s=10)

    assert ("tools: all there\n", "", 0) == (ran.out, ran.err, ran.code)


def test_versions_are_pinned() -> None:
    programs = re.findall(r'^    "(\S+) (\S+) (\S+)"$', SCRIPT.read_text("utf-8"), re.MULTILINE)

    assert {"grpcurl", "grpc-health-probe", "protoc-gen-go", "protoc-gen-go-grpc", "ollama"} == {
        path.rpartition("/")[2] for path, _module, _version in programs
    }
    assert all(re.fullmatch(r"v\d+\.\d+\.\d+", version) for _path, _module, version in programs)
