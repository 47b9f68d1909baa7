"""Prose is wrapped: a line of it fits into 120 columns."""

import re
from collections.abc import Iterator
from pathlib import Path

MAX_COLUMNS = 120

WRITTEN_BY_PROGRAMS = {
    "docs/api.md",
    "docs/configuration.md",
    "docs/performance.md",
    "docs/scorecard.md",
}
ONE_LINE_A_CHANGE = {"CHANGELOG.md"}

NO_PROSE = re.compile(r"^ *```.*?^ *```$|^ *\|.*?$", re.MULTILINE | re.DOTALL)
"""Code and rows of tables."""

UNBREAKABLE = re.compile(r"\s*(?:[-*] |\d+\. )?\S+")
"""One word, such as a link."""


def wide(page: Path) -> Iterator[str]:
    """Yield the beginning of each line that should have been wrapped."""
    for line in NO_PROSE.sub("", page.read_text(encoding="utf-8")).splitlines():
        if len(line) > MAX_COLUMNS and not UNBREAKABLE.fullmatch(line):
            yield line[:60]


def test_no_line_of_prose_is_wider_than_120_columns(root: Path, tree: tuple[Path, ...]) -> None:
    pages = {str(file) for file in tree if file.suffix == ".md"}
    too_wide = [
        f"{page}: {line}"
        for page in sorted(pages - WRITTEN_BY_PROGRAMS - ONE_LINE_A_CHANGE)
        for line in wide(root / page)
    ]

    assert [] == too_wide
