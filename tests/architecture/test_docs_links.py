"""Every relative link in the documentation leads somewhere, its anchor included."""

import re
from pathlib import Path

import pytest

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def prose(file: Path) -> str:
    """Return a page without its code blocks."""
    return FENCE.sub("", file.read_text(encoding="utf-8"))


def anchors(file: Path) -> set[str]:
    """Return the anchors of a page, made from its headings as GitHub makes them."""
    bare = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(prose(file)))
    return {heading.strip().replace(" ", "-") for heading in bare}


@pytest.fixture(scope="module")
def pages(root: Path, tree: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return every Markdown page, as a full path."""
    return tuple(root / file for file in tree if file.suffix == ".md")


def test_relative_links_resolve(pages: tuple[Path, ...], root: Path) -> None:
    broken = []
    for page in pages:
        for link in LINK.findall(prose(page)):
            if link.startswith(("http://", "https://", "mailto:")):
                continue
            name, _, anchor = link.partition("#")
            target = page.parent / name if name else page
            if not target.exists() or (anchor and anchor not in anchors(target)):
                broken.append(f"{page.relative_to(root)}: {link}")

    assert broken == []


def test_no_page_is_an_island(pages: tuple[Path, ...], root: Path) -> None:
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in pages
        for link in LINK.findall(prose(page))
    }
    lonely = [page.name for page in pages if page.parent == root / "docs" and page not in linked]

    assert lonely == []


def test_make_verbs_that_pages_name_exist(pages: tuple[Path, ...], root: Path) -> None:
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    verbs = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    unknown = [
        f"{page.relative_to(root)}: make {verb}"
        for page in pages
        for verb in re.findall(r"(?:`|^)make ([a-z][a-z-]*)", page.read_text(), re.MULTILINE)
        if verb not in verbs
    ]

    assert unknown == []
