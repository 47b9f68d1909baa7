"""Setting up as a person meets it: the real script, a small project, a folder for an index."""

import base64
import hashlib
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.architecture.command import run

BACKEND = """
import zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    about = "llmsvc-1.0.dist-info"
    with zipfile.ZipFile(f"{folder}/llmsvc-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\\nName: llmsvc\\nVersion: 1.0\\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{about}/RECORD", "")
    return "llmsvc-1.0-py3-none-any.whl"
"""
PROJECT = """
[build-system]
requires = ["backend"]
build-backend = "backend"
[project]
name = "llmsvc"
version = "1.0"
[tool.hatch]
"""


class Clone:
    """A small project that is set up by our own script."""

    def __init__(self, root: Path, folder: Path, index: Path) -> None:
        self.folder = folder
        self._index = index
        (folder / ".ci/locks").mkdir(parents=True)
        (folder / ".ci/setup.py").write_bytes((root / ".ci/setup.py").read_bytes())
        (folder / "pyproject.toml").write_text(PROJECT)
        served = self.publish("served", "1.0")
        measured = self.publish("measured", "1.0", needs="counted[toml]>=1")
        counted = self.publish("counted", "1.0")
        for newer in ("served", "measured", "counted"):
            self.publish(newer, "9.0")
        self.lock("build.txt", self.publish("backend", "1.0", module=BACKEND))
        self.lock("server.txt", served)
        self.lock("dev.txt", served, measured, counted)

    def publish(self, name: str, version: str, *, needs: str = "", module: str = "") -> str:
        """Put a wheel into the index and return the line of a lock that names it."""
        path = self._index / f"{name}-{version}-py3-none-any.whl"
        about = f"{name}-{version}.dist-info"
        metadata = (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nProvides-Extra: toml\n"
        )
        if needs:
            metadata += f"Requires-Dist: {needs}\n"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr(f"{name}.py", module)
            wheel.writestr(f"{about}/METADATA", metadata)
            wheel.writestr(
                f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            digest = base64.urlsafe_b64encode(hashlib.sha256(module.encode()).digest())
            wheel.writestr(
                f"{about}/RECORD", f"{name}.py,sha256={digest.decode().rstrip('=')},{len(module)}\n"
            )
        hashed = hashlib.sha256(path.read_bytes()).hexdigest()
        return f"{name}=={version} --hash=sha256:{hashed}\n"

    def lock(self, name: str, *lines: str) -> None:
        """Write a lock."""
        (self.folder / ".ci/locks" / name).write_text("".join(lines))

    def set_up(self, lock: str, venv: str = ".venv", **variables: str) -> CompletedProcess[str]:
        """Run the script as `make` does, with further variables in the environment."""
        environment = {"PATH": os.environ["PATH"], "PIP_NO_INDEX": "1"}
        environment |= {"PIP_FIND_LINKS": str(self._index), "PIP_NO_CACHE_DIR": "1"}
        environment |= variables
        script = self.folder / ".ci/setup.py"
        return run(sys.executable, script, lock, venv, cwd=self.folder, env=environment)

    def installed(self) -> set[str]:
        """Return what the environment holds of our packages, with versions."""
        about = (self.folder / ".venv").glob("lib/*/site-packages/*.dist-info")
        return {path.stem for path in about if not path.stem.startswith(("pip-", "setuptools-"))}


@pytest.fixture(scope="module")
def clone(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Return a clone, in a folder whose name has a space, with the users' lock installed."""
    made = Clone(
        root, tmp_path_factory.mktemp("a place") / "a clone", tmp_path_factory.mktemp("index")
    )
    done = made.set_up("server.txt")
    assert (0, "") == (done.returncode, done.stderr)
    return made


def test_users_get_their_lock_and_nothing_else_of_a_newer_index(clone: Clone) -> None:
    assert {"served-1.0", "llmsvc-1.0"} == clone.installed()
    assert "" == clone.set_up("server.txt").stdout  # all is there


def test_the_development_lock_is_laid_over_it(clone: Clone) -> None:
    done = clone.set_up("dev.txt")

    assert (0, "") == (done.returncode, done.stderr)
    assert "anew" not in done.stdout
    assert {"served-1.0", "measured-1.0", "counted-1.0", "llmsvc-1.0"} == clone.installed()
    assert "" == clone.set_up("server.txt").stdout
    assert "" == clone.set_up("dev.txt").stdout


@pytest.mark.parametrize("venv", ["mine", "/mine", ".venv/../mine", "..", ""])
def test_only_what_is_an_environment_of_ours_may_be_removed(clone: Clone, venv: str) -> None:
    mine = clone.folder / "mine"
    mine.mkdir(exist_ok=True)
    done = clone.set_up("server.txt", str(mine) if venv == "/mine" else venv)

    assert 1 == done.returncode
    assert "begins with .venv" in done.stderr
    assert mine.exists()


def kill_half_way(clone: Clone) -> str:
    (clone.folder / ".venv/setup.json").unlink()
    return "no set-up of it came to its end"


def change_the_lock(clone: Clone) -> str:
    lock = clone.folder / ".ci/locks/server.txt"
    lock.write_text(f"{lock.read_text()}# changed\n")
    return "server.txt changed"


def move_the_clone(clone: Clone) -> str:
    before = clone.folder
    clone.folder = before.with_name(f"{before.name} moved")
    shutil.move(before, clone.folder)
    return f"it was made as {before / '.venv'}"


def take_another_python(clone: Clone) -> str:
    path = clone.folder / ".venv/setup.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"python": "cpython 3.10 in /old"}))
    return "it was made with cpython 3.10 in /old, this is "


@pytest.mark.parametrize(
    "change", [kill_half_way, change_the_lock, move_the_clone, take_another_python]
)
def test_what_does_not_fit_is_made_anew_and_said_so(clone: Clone, change: object) -> None:
    assert callable(change)
    reason = change(clone)
    (clone.folder / ".venv/left-over").touch()
    done = clone.set_up("server.txt")

    assert (0, "") == (done.returncode, done.stderr)
    assert f"setup: making .venv anew: {reason}" in done.stdout.splitlines()[0]
    assert not (clone.folder / ".venv/left-over").exists()
    assert {"served-1.0", "llmsvc-1.0"} == clone.installed()


def forget_what_is_installed(clone: Clone) -> None:
    path = clone.folder / ".venv/setup.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({name: record[name] for name in ("place", "python")}))
    for about in (clone.folder / ".venv").glob("lib/*/site-packages/*-1.0.dist-info"):
        shutil.rmtree(about)


def test_variables_for_other_installs_do_not_lead_it_elsewhere(
    clone: Clone, tmp_path: Path
) -> None:
    forget_what_is_installed(clone)
    elsewhere = str(tmp_path / "elsewhere")
    variables = {f"PIP_{name}": elsewhere for name in ("PREFIX", "PYTHON", "ROOT", "TARGET")}
    done = clone.set_up("server.txt", PIP_DRY_RUN="1", PIP_USER="1", **variables)

    assert (0, "") == (done.returncode, done.stderr)
    assert {"served-1.0", "llmsvc-1.0"} == clone.installed()


def test_an_install_that_went_elsewhere_is_not_taken_for_done(clone: Clone, tmp_path: Path) -> None:
    forget_what_is_installed(clone)
    configuration = tmp_path / "pip.conf"
    configuration.write_text(f"[install]\ntarget = {tmp_path / 'elsewhere'}\n")
    done = clone.set_up("server.txt", PIP_CONFIG_FILE=str(configuration))

    assert 1 == done.returncode
    assert "`pip config list` says where" in done.stderr
    assert not (clone.folder / ".venv/setup.json").exists()


def test_the_locks_agree(root: Path) -> None:
    def named(lock: str) -> set[str]:
        lines = (root / ".ci/locks" / lock).read_text(encoding="utf-8").splitlines()
        return {line.partition(" ")[0] for line in lines if line[:1].isalnum()}

    assert named("client.txt") | named("server.txt") | named("build.txt") <= named("dev.txt")
