#!/usr/bin/env python3
"""Ask the index whether the locks install, as far as it tells. Needs the network; installs nothing.

1. Every supported Python and platform has a wheel of all that a lock names (uv judges markers for
   the machine that is asked about; pip judges them for the one it runs on).
2. With a newer release of every locked package in the index, pip takes what the lock names: the pip
   of the oldest supported Python, and the newest. Asked with the users' lock, because pip fetches
   what it would install: the development lock is 200 MB. tests/architecture/test_setup.py has its
   form, a package named with an extra.
"""

import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path

LOCKS = Path(".ci/locks")
PYTHONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
PLATFORMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin")
ASKED = ("server.txt", "dev.txt", "build.txt")
TARGET = ".venv/none"  # uv wants a place, and puts its own lock there
OLDEST_PIP = "pip==22.3"  # comes with Python 3.11.0
NEWEST_PIP = "pip"
NEWER = "9999.9"
AT_ONCE = 4  # the index is what they wait for


def main() -> int:
    """Return 0 where every question was answered well, else 1 after saying which was not."""
    questions: list[Callable[[], str]] = [
        partial(no_wheel, *asked) for asked in product(ASKED, PYTHONS, PLATFORMS)
    ]
    with tempfile.TemporaryDirectory() as folder:
        newer = Path(folder, "newer")
        newer.mkdir()
        for name in names(LOCKS / "dev.txt"):
            invent(newer, name)
        pips = [NEWEST_PIP]
        if sys.version_info < (3, 12):  # on which that pip does not run
            pips.insert(0, OLDEST_PIP)  # it takes longest
        questions[:0] = [partial(looks_beyond, pip, "server.txt", newer) for pip in pips]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            problems = list(filter(None, pool.map(lambda question: question(), questions)))
    for problem in problems:
        sys.stderr.write(f"locks: {problem}\n")
    return 1 if problems else 0


def no_wheel(lock: str, python: str, platform: str) -> str:
    """Say why a lock does not install on a platform, or nothing."""
    asked = ran(
        *(Path(sys.executable).with_name("uv"), "pip", "install", "--quiet", "--no-config"),
        *("--dry-run", "--no-deps", "--require-hashes", "--only-binary", ":all:"),
        *("--python-version", python, "--python-platform", platform, "--target", TARGET),
        *("-r", LOCKS / lock),
    )
    return f"{lock} on Python {python}, {platform}: {asked.stderr}" if asked.returncode else ""


def looks_beyond(pip: str, lock: str, newer: Path) -> str:
    """Say what a pip would install that a lock does not name, or why it gives up, or nothing."""
    home = newer.parent / pip
    if not home.exists():
        got = ran(sys.executable, "-m", "pip", "install", "--quiet", "--target", home, pip)
        if got.returncode:
            return f"{pip}: {got.stderr}"
    report = home.with_name(f"{pip}.json")
    asked = ran(
        *(sys.executable, "-c", RUN_PIP, home, "install", "--quiet", "--ignore-installed"),
        *("--dry-run", "--no-deps", "--require-hashes", "--find-links", newer),
        *("--report", report, "-r", LOCKS / lock),
    )
    if asked.returncode:
        return f"{pip}, {lock}: {asked.stderr}"
    installs = json.loads(report.read_text(encoding="utf-8"))["install"]
    beyond = [item["metadata"]["name"] for item in installs if item["metadata"]["version"] == NEWER]
    return f"{pip}, {lock}: newer {beyond}" if beyond or not installs else ""


RUN_PIP = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
runpy.run_module("pip", run_name="__main__")
"""


def names(lock: Path) -> set[str]:
    """Return the packages that a lock names."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    return {line.partition("==")[0] for line in lines if line[:1].isalnum()}


def invent(folder: Path, name: str) -> None:
    """Write an empty wheel of a release that does not exist."""
    name = name.replace("-", "_").replace(".", "_")
    about = f"{name}-{NEWER}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{NEWER}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {NEWER}\n"
        )
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")


def ran(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Return a finished program."""
    return subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603  ours


if __name__ == "__main__":
    sys.exit(main())
