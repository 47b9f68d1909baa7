"""docs/invariants.md names, for each invariant, tests that exist; and none is left out."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PAGE = "docs/invariants.md"
FOLDER = "tests/invariants"
COUNT = 20

ROW = re.compile(r"^\| (\d+) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)
NAME = re.compile(r"`([^`]+)::([^`]+)`")
OWN = re.compile(r"test_invariant_(\d\d)_")


@pytest.fixture(scope="module")
def rows(root: Path) -> list[tuple[int, list[tuple[str, str]]]]:
    """Return, of each row, its number and its tests by file and name."""
    text = (root / PAGE).read_text(encoding="utf-8")
    return [(int(number), NAME.findall(tests)) for number, tests in ROW.findall(text)]


@cache
def names_in(file: Path) -> frozenset[str]:
    """Return the names of the tests in a file."""
    return frozenset(
        node.name
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")
    )


def test_every_invariant_is_held_by_a_test(rows: list[tuple[int, list[tuple[str, str]]]]) -> None:
    assert list(range(1, COUNT + 1)) == [number for number, _ in rows]
    assert [] == [number for number, tests in rows if not tests]


def test_every_test_that_the_page_names_exists(
    root: Path, rows: list[tuple[int, list[tuple[str, str]]]]
) -> None:
    missing = [
        f"{file}::{name}"
        for _, tests in rows
        for file, name in tests
        if not (root / file).is_file() or name not in names_in(root / file)
    ]

    assert [] == missing


def test_every_test_of_an_invariant_is_in_its_row(
    root: Path, rows: list[tuple[int, list[tuple[str, str]]]]
) -> None:
    listed = {(number, *test) for number, tests in rows for test in tests}

    assert set(_own(root)) == {one for one in listed if one[1].startswith(f"{FOLDER}/")}


def _own(root: Path) -> Iterator[tuple[int, str, str]]:
    for file in (root / FOLDER).glob("test_*.py"):
        for name in names_in(file):
            number = OWN.match(name)
            assert number is not None, f"{name} does not say which invariant it is about"
            yield int(number[1]), str(file.relative_to(root)), name
