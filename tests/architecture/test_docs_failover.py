"""The tables of docs/failover.md say what the code does: its classes, and the rows that lead to them."""

import re
from pathlib import Path

import pytest

from llmsvc_server.failures import ErrorKind

CLASS = re.compile(r"^\| ([A-Z_]+) \|[^|]+\|[^|]+\|[^|]+\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$")
ROW = re.compile(r"^\| ([COPA]\d\d[a-z]?) \|")
NAMED = re.compile(r'"([COPA]\d\d[a-z]?)"')


@pytest.fixture(scope="module")
def lines(root: Path) -> list[str]:
    """Return the page's lines."""
    return (root / "docs/failover.md").read_text(encoding="utf-8").splitlines()


def test_every_class_is_told_with_its_consequences(lines: list[str]) -> None:
    told = {
        match[1]: (match[2].startswith("counts"), match[3], match[4])
        for match in map(CLASS.match, lines)
        if match
    }
    real = {
        kind.name: (
            kind.rules.counts,
            "-" if kind.rules.block is None else kind.rules.block.scope.replace("_", " and "),
            f"{kind.rules.code} / {kind.rules.reason}",
        )
        for kind in ErrorKind
    }

    assert real == told


def test_every_row_of_the_code_is_told_and_no_other(
    root: Path, sources: tuple[Path, ...], lines: list[str]
) -> None:
    told = [match[1] for match in map(ROW.match, lines) if match]
    real = {
        name
        for file in sources
        if file.parts[0] == "server"
        for name in NAMED.findall((root / file).read_text(encoding="utf-8"))
    }

    assert real == set(told)
    assert len(told) == len(set(told))
