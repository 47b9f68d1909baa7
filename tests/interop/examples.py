"""The examples of docs/clients.md: each block of code with the name in the comment before it."""

import re

from tests.interop.programs import ROOT

PAGE = ROOT / "docs/clients.md"
ADDRESS = "localhost:50051"

_EXAMPLE = re.compile(
    r"^<!-- example: ([a-z-]+) -->\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
_BLOCK = re.compile(r"^```(\w+)$", re.MULTILINE)


def examples() -> dict[str, str]:
    """Return the text of each example by its name."""
    return {name: code for name, _language, code in _EXAMPLE.findall(PAGE.read_text("utf-8"))}


def blocks() -> int:
    """Return how many blocks of code the page has, examples or not."""
    return len(_BLOCK.findall(PAGE.read_text("utf-8")))


def example(name: str, address: str) -> str:
    """Return an example that calls the server at `address`."""
    return examples()[name].replace(ADDRESS, address)
