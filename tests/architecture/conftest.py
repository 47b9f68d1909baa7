"""The tree as git sees it. Knows no rule about it; those are in the tests."""

from pathlib import Path

import pytest

from tests.architecture.command import ROOT, run


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the project's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def tree(root: Path) -> tuple[Path, ...]:
    """Return every file that is or could be committed, relative to the root."""
    if not (root / ".git").exists():
        pytest.skip("needs a clone: only git knows which files belong to the project")
    listing = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    assert listing.returncode == 0, listing.stderr
    names = (Path(name) for name in listing.stdout.split("\0") if name)
    return tuple(name for name in names if (root / name).is_file())


@pytest.fixture(scope="session")
def sources(tree: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return the Python files that people write: all but the generated stubs."""
    return tuple(file for file in tree if file.suffix == ".py" and "_pb2" not in file.name)
