"""What people install: the wheel, built offline as the image builds it."""

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from tests.architecture.command import run

PACKAGES = {"llmsvc": "protos", "llmsvc_server": "server", "llmsvc_client": "client"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Yield the opened wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def dist_info(wheel: zipfile.ZipFile) -> str:
    """Return the name of the wheel's folder about itself, which holds the version."""
    (only,) = {
        top for name in wheel.namelist() if (top := name.split("/")[0]).endswith(".dist-info")
    }
    return only


def test_holds_the_three_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {PurePosixPath(name).parts[0] for name in wheel.namelist()}

    assert {*PACKAGES, dist_info(wheel)} == tops


def test_holds_every_source_file_and_only_those(
    wheel: zipfile.ZipFile, tree: tuple[Path, ...]
) -> None:
    committed = {
        file.relative_to(home).as_posix()
        for file in tree
        for home in PACKAGES.values()
        if file.is_relative_to(home)
    }
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert committed == held


def test_holds_types_and_the_contract_for_tools(wheel: zipfile.ZipFile) -> None:
    wanted = {f"{package}/py.typed" for package in PACKAGES}
    wanted |= {"llmsvc/v1/llm.proto", "llmsvc/v1/llm.binpb", "llmsvc/v1/llm_pb2.pyi"}

    assert wanted <= set(wheel.namelist())


def test_installs_both_commands(wheel: zipfile.ZipFile) -> None:
    entry_points = wheel.read(f"{dist_info(wheel)}/entry_points.txt").decode()

    assert "[console_scripts]" in entry_points
    assert "llmsvc = llmsvc_client.cli.main:main" in entry_points
    assert "llmsvc-server = llmsvc_server.cli:main" in entry_points


def test_carries_the_whole_licence(wheel: zipfile.ZipFile, root: Path) -> None:
    held = wheel.read(f"{dist_info(wheel)}/licenses/LICENSE").decode()

    assert (root / "LICENSE").read_text(encoding="utf-8") == held
    assert "Apache License" in held
    assert "END OF TERMS AND CONDITIONS" in held
