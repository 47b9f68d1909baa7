"""docs/decisions: one file a decision, and an index that says the same."""

import re
from pathlib import Path

import pytest

HEADING = re.compile(r"# ADR-(\d{3}) (.+) \((\d{4}-\d\d-\d\d)\)\n\n")
ROW = re.compile(r"^\| \[ADR-(\d{3})\]\((\S+)\) \| (.+) \| (\S+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def decisions(root: Path) -> Path:
    """Return the folder of decisions."""
    return root / "docs/decisions"


@pytest.fixture(scope="module")
def files(decisions: Path) -> list[Path]:
    """Return the file of each decision, in order."""
    return sorted(file for file in decisions.iterdir() if file.name != "README.md")


def test_each_file_is_one_decision_named_by_its_number(files: list[Path]) -> None:
    named = re.compile(r"(\d{3})(?:-[a-z0-9]+)+\.md")
    odd = []
    for file in files:
        name, heading = named.fullmatch(file.name), HEADING.match(file.read_text("utf-8"))
        if name is None or heading is None or name[1] != heading[1]:
            odd.append(file.name)

    assert [] == odd


def test_no_number_is_given_twice(files: list[Path]) -> None:
    numbers = [file.name[:3] for file in files]

    assert sorted(set(numbers)) == numbers


def test_the_index_has_every_decision_by_its_title_and_date(
    decisions: Path, files: list[Path]
) -> None:
    headings = [(file, HEADING.match(file.read_text("utf-8"))) for file in files]
    told = [(found[1], file.name, found[2], found[3]) for file, found in headings if found]

    assert told == ROW.findall((decisions / "README.md").read_text("utf-8"))
