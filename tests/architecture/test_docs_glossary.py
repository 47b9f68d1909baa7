"""The glossary of DESIGN.md names what is there: each term in the file that it is said to be in."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path("server/llmsvc_server")
ROW = re.compile(r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")
HEADING = ("term", "file")


@pytest.fixture(scope="module")
def rows(root: Path) -> list[tuple[str, str]]:
    """Return the terms and the files of each row, as they are written."""
    _, _, rest = (root / "DESIGN.md").read_text(encoding="utf-8").partition("\n## Glossary\n")
    return [row for row in ROW.findall(rest.partition("\n## ")[0]) if row != HEADING]


def written(sources: Path, files: str) -> Iterator[str]:
    """Yield the texts of a row's files; raises where one is missing."""
    for name in CODE.findall(files):
        yield (sources / name).read_text(encoding="utf-8")


def test_each_term_is_defined_in_its_file(root: Path, rows: list[tuple[str, str]]) -> None:
    elsewhere = []
    for terms, files in rows:
        text = "\n".join(written(root / SOURCES, files))
        elsewhere += [
            f"{term}: not in {files}"
            for term in CODE.findall(terms)
            if not re.search(rf"^(?:class|(?:async )?def) {term}\b", text, re.MULTILINE)
        ]

    assert [] == elsewhere


def test_no_term_stands_there_twice(rows: list[tuple[str, str]]) -> None:
    terms = [term for row, _ in rows for term in CODE.findall(row) or [row]]

    assert sorted(set(terms)) == sorted(terms)
    assert len(terms) > 30
