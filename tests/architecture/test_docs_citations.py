"""What code, tests and pages cite is in the repository: each file, section and decision.

A citation is a path from the root and a section's number, "docs/failover.md 4.3"; a decision's is
"ADR-010" alone, and means the file of docs/decisions that begins with its number.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

RECORDED = Path("tests/recordings")
"""What real servers sent, which is nobody's text."""

RULES_OR_HISTORY = {"CONTRIBUTING.md", "CHANGELOG.md"}
"""Pages that name files which are not to be, or were."""

WRITERS = Path(".ci")
"""Programs that write pages of docs, with links from there."""

URL = re.compile(r"https?://\S+")
WRAPPED = re.compile(r"\n[ \t]*(?:#|//)?[ \t]*")
PAGE = re.compile(r"(?<![\w./-])(?<!/ \")[\w./-]+\.md\b")
"""Not where a program puts a path together."""

_NUMBER = r"\d+(?:\.\d+)*"
_NUMBERS = rf"{_NUMBER}(?:(?:, | and | to ){_NUMBER})*"
CITATION = re.compile(rf"(?<![\w./-])([\w./-]+\.md)\)? ({_NUMBERS})\b")
"""Of a page by its path, or by a link to it."""

SECTION = re.compile(rf"^#+ ({_NUMBER})\.? |^\| (\d+) \|", re.MULTILINE)
"""A heading's number, or that of a row where a table is numbered."""

SOURCE = re.compile(r"`([\w./-]+\.(?:py|sh|go))`")
"""A file of the code, by the end of its path."""

DECISION = re.compile(r"\bADR-(\d+)\b")
DECISIONS = Path("docs/decisions")


@pytest.fixture(scope="module")
def texts(root: Path, tree: tuple[Path, ...]) -> dict[Path, str]:
    """Return everything that people write, wrapped lines joined, by its path from the root."""
    written: dict[Path, str] = {}
    for file in tree:
        if RECORDED not in file.parents:
            try:
                text = (root / file).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
            written[file] = WRAPPED.sub(" ", URL.sub("", text))
    return written


@cache
def sections(page: Path) -> frozenset[str]:
    """Return the numbers of a page's sections."""
    found = SECTION.findall(page.read_text(encoding="utf-8"))
    return frozenset(heading or row for heading, row in found)


def cited(root: Path, file: Path, name: str) -> Path | None:
    """Return the page that `file` means by `name`; None where there is none."""
    places = [root, (root / file).parent]
    if file.parent == WRITERS:
        places.append(root / "docs")
    pages = (place / name for place in places)
    return next((page.resolve() for page in pages if page.is_file()), None)


def numbers(root: Path, texts: dict[Path, str]) -> Iterator[tuple[Path, str, Path, str]]:
    """Yield every citation of a section: who cites, in which words, which page and number."""
    for file, text in texts.items():
        for match in CITATION.finditer(text):
            page = cited(root, file, match[1])
            if page is not None:
                for number in re.findall(_NUMBER, match[2]):
                    yield file, match[0], page, number


def test_every_page_that_is_cited_is_there(root: Path, texts: dict[Path, str]) -> None:
    missing = sorted(
        f"{file}: {name}"
        for file, text in texts.items()
        for name in PAGE.findall(text)
        if cited(root, file, name) is None
    )

    assert [] == missing


def test_every_section_that_is_cited_is_there(root: Path, texts: dict[Path, str]) -> None:
    missing = [
        f"{file}: {words} ({number})"
        for file, words, page, number in numbers(root, texts)
        if number not in sections(page)
    ]

    assert [] == missing


def test_every_source_file_that_a_page_names_is_there(
    texts: dict[Path, str], tree: tuple[Path, ...]
) -> None:
    ends = {"/".join(file.parts[at:]) for file in tree for at in range(len(file.parts))}
    missing = sorted(
        f"{page}: {name}"
        for page, text in texts.items()
        if page.suffix == ".md" and page.name not in RULES_OR_HISTORY
        for name in set(SOURCE.findall(text)) - ends
    )

    assert [] == missing


def test_every_decision_that_is_cited_is_there(texts: dict[Path, str]) -> None:
    decided = {file.name.partition("-")[0] for file in texts if file.parent == DECISIONS}
    missing = sorted(
        f"{file}: ADR-{number}"
        for file, text in texts.items()
        for number in set(DECISION.findall(text)) - decided
    )

    assert [] == missing


def test_no_number_is_given_twice(root: Path, texts: dict[Path, str]) -> None:
    pages = {page for _, _, page, _ in numbers(root, texts)}
    twice = [
        f"{page.relative_to(root)} {number}"
        for page in sorted(pages)
        for number in sections(page)
        if len(re.findall(rf"^#+ {re.escape(number)}\.? ", page.read_text(), re.MULTILINE)) > 1
    ]

    assert [] == twice


def test_there_is_something_to_resolve(root: Path, texts: dict[Path, str]) -> None:
    citing = {file for file, *_ in numbers(root, texts) if file.suffix == ".py"}

    assert len(citing) > 50
