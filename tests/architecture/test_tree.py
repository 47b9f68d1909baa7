"""Rules about files as such: no host of a package index, sizes, names."""

import re
from pathlib import Path

# Put together here, so that this file does not name them either.
INDEX_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("proxy", "golang", "org"),
        ("sum", "golang", "org"),
        ("deb", "debian", "org"),
        ("crates", "io"),
        ("maven", "org"),
    )
)
MOST_LINES = 400
DRAWERS = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py"}


def test_no_file_names_the_host_of_a_package_index(root: Path, tree: tuple[Path, ...]) -> None:
    naming = [
        str(file)
        for file in tree
        for text in [(root / file).read_bytes().lower()]
        if any(host.encode() in text for host in INDEX_HOSTS)
    ]

    assert naming == []


def test_locks_hold_names_and_hashes_only(root: Path) -> None:
    line = re.compile(
        r"[a-z0-9_.-]+==\S+( ; .+)?( \\)?|    --hash=sha256:[0-9a-f]{64}( \\)?|    #.*"
    )
    locks = list((root / ".ci/locks").glob("*.txt"))
    odd = [
        f"{lock.name}: {text}"
        for lock in locks
        for text in lock.read_text(encoding="utf-8").splitlines()
        if not line.fullmatch(text)
    ]

    assert {"build.txt", "client.txt", "dev.txt", "server.txt"} == {lock.name for lock in locks}
    assert odd == []


def test_no_source_file_is_longer_than_four_hundred_lines(
    root: Path, sources: tuple[Path, ...]
) -> None:
    long = {
        str(file): lines
        for file in sources
        if (lines := (root / file).read_text(encoding="utf-8").count("\n")) > MOST_LINES
    }

    assert long == {}


def test_no_file_is_a_drawer_for_everything(sources: tuple[Path, ...]) -> None:
    assert [str(file) for file in sources if file.name in DRAWERS] == []


def test_inner_packages_stay_empty(root: Path, sources: tuple[Path, ...]) -> None:
    root_package_depth = 3  # server/llmsvc_server/__init__.py
    speaking = [
        str(file)
        for file in sources
        if file.name == "__init__.py" and len(file.parts) > root_package_depth
        if (root / file).stat().st_size
    ]

    assert speaking == []
