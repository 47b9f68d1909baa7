#!/usr/bin/env python3
"""Make the environment hold what a lock names, and the project itself as an editable install.

Quick where all fits. What does not fit is made anew, with one line that says why. Asks for nothing
but the standard library, since it runs before anything is installed.
"""

import argparse
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / ".ci/locks"
BUILD = "build.txt"  # what builds the project; it does not stay
USERS = "server.txt"
DEVELOPERS = "dev.txt"  # holds all of the users' lock, in the same versions
RECORD = "setup.json"
ELSEWHERE = {"PIP_DRY_RUN", "PIP_PREFIX", "PIP_PYTHON", "PIP_ROOT", "PIP_TARGET"}
COSTS = {USERS: "about 20 seconds", DEVELOPERS: "about a minute"}

Facts = dict[str, str]


def main() -> None:
    """Bring the environment up to date, one process at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lock", choices=[USERS, DEVELOPERS])
    parser.add_argument("venv")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    if not re.fullmatch(r"\.venv[A-Za-z0-9._-]*", options.venv):
        fail(f"VENV={options.venv}: name a folder of this clone that begins with .venv")
    venv = ROOT / options.venv
    with Path(__file__).open("rb") as turnstile:
        take_turn(turnstile.fileno())
        bring_up_to_date(venv, options.lock)


def take_turn(descriptor: int) -> None:
    """Wait until no other set-up of this clone runs; the lock goes with the process."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for another set-up of this clone")
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def bring_up_to_date(venv: Path, lock: str) -> None:
    """Do what is needed and no more.

    The record of what was done is taken away before anything changes and comes back at the end, so
    an environment without one is one that nobody finished.
    """
    record = recorded(venv)
    wanted = facts(venv, lock)
    if all(record.get(name) == fact for name, fact in wanted.items()):
        return
    reason = misfit(venv, record, wanted)
    if reason:
        say(f"making {venv.name} anew: {reason}")
        remove(venv)
        record = {}
    (venv / RECORD).unlink(missing_ok=True)
    if not venv.exists():
        run(sys._base_executable, "-m", "venv", str(venv))  # type: ignore[attr-defined]  # noqa: SLF001  the one outside any venv
    if lock not in record:
        say(f"installing {lock} into {venv.name}, {COSTS[lock]}")
        # The lock is complete. Resolving would ask the index again, where a newer release of a
        # package that another names with an extra is enough to end it: pip 23 looks beyond the lock.
        # What is used is compiled at its first import, a fraction of what is installed.
        install(venv, "--no-compile", "--require-hashes", "-r", str(LOCKS / lock))
    if record.get("project") != wanted["project"]:
        install_project(venv)
    if not any(venv.glob("lib/*/site-packages/llmsvc-*.dist-info")):
        fail("pip installed to another place: `pip config list` says where it was told to")
    run(*pip(venv), "check", "--quiet")
    done = record | wanted
    if lock == DEVELOPERS:
        done[USERS] = digest((LOCKS / USERS).read_bytes())
    written = venv / f"{RECORD}.new"
    written.write_text(json.dumps(done, indent=2), encoding="utf-8")
    written.replace(venv / RECORD)
    say("done")


def recorded(venv: Path) -> Facts:
    """Return what an earlier set-up wrote at its end; nothing where none came to its end."""
    try:
        record: Facts = json.loads((venv / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if (venv / "bin/python").exists() else {}


def facts(venv: Path, lock: str) -> Facts:
    """Return what an environment hangs on: place, interpreter, lock, and the project's metadata."""
    about = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = [about["project"], about["build-system"], about["tool"]["hatch"]]
    version = ".".join(map(str, sys.version_info[:2]))
    return {
        "place": str(venv),
        "python": f"{sys.implementation.name} {version} {os.uname().machine} in {sys.base_prefix}",
        lock: digest((LOCKS / lock).read_bytes()),
        "project": digest(json.dumps(project).encode() + (LOCKS / BUILD).read_bytes()),
    }


def misfit(venv: Path, record: Facts, wanted: Facts) -> str:
    """Say why an environment cannot be mended, or nothing where it can or does not exist."""
    if not os.path.lexists(venv):
        return ""
    if not record:
        return "no set-up of it came to its end"
    if record["place"] != wanted["place"]:
        return f"it was made as {record['place']}"
    if record["python"] != wanted["python"]:
        return f"it was made with {record['python']}, this is {wanted['python']}"
    changed = [lock for lock in COSTS if record.get(lock, wanted.get(lock)) != wanted.get(lock)]
    return next((f"{lock} changed" for lock in changed if lock in wanted), "")


def install_project(venv: Path) -> None:
    """Install the project itself, with a build backend that is forgotten afterwards."""
    with tempfile.TemporaryDirectory() as backend:
        install(
            venv, "--no-compile", "--require-hashes", "--target", backend, "-r", str(LOCKS / BUILD)
        )
        install(venv, "--no-build-isolation", "--no-index", "--editable", str(ROOT), path=backend)


def install(venv: Path, *arguments: str, path: str = "") -> None:
    """Let pip install exactly what it is told.

    Args:
        venv: The environment.
        arguments: What pip's `install` takes.
        path: A folder whose packages a build may import.
    """
    run(*pip(venv), "install", "--quiet", "--no-deps", *arguments, path=path)


def pip(venv: Path) -> list[str]:
    """Return how to call the environment's own pip, whatever else the person's Python finds."""
    return [str(venv / "bin/python"), "-I", "-m", "pip", "--disable-pip-version-check"]


def run(*command: str, path: str = "") -> None:
    """Run a program to its end; where it fails, so does the set-up, after the program's own words."""
    # A person's settings for pip that mean other installs: they would end ours, or lead it away.
    environment = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    environment |= {"PIP_USER": "0", "PIP_REQUIRE_HASHES": "0", "PYTHONPATH": path}
    try:
        subprocess.run(command, env=environment, check=True, stdin=subprocess.DEVNULL)  # noqa: S603  our own
    except subprocess.CalledProcessError as error:
        fail(f"`{' '.join(map(str, command[:6]))} ...` failed with exit code {error.returncode}")


def remove(venv: Path) -> None:
    """Remove an environment, and only the link where it is one."""
    if venv.is_symlink() or venv.is_file():
        venv.unlink()
    else:
        shutil.rmtree(venv)


def digest(content: bytes) -> str:
    """Return what tells one content from another."""
    return hashlib.sha256(content).hexdigest()


def say(line: str) -> None:
    """Tell the person at the terminal."""
    print(f"setup: {line}", flush=True)  # noqa: T201  the terminal is its door


def fail(line: str) -> NoReturn:
    """End with one line and exit code 1."""
    sys.exit(f"setup: {line}")


if __name__ == "__main__":
    main()
