"""The examples of docs/clients.md: each block of code with the name in the comment before it."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.interop.programs import ROOT, SEARCHED, missing, program
from tests.interop.running import Ran, run

PAGE = ROOT / "docs/clients.md"
ADDRESS = "localhost:50051"
NODE_PACKAGES = ROOT / "tests/interop/node/node_modules"

_EXAMPLE = re.compile(
    r"^<!-- example: ([a-z-]+) -->\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
_BLOCK = re.compile(r"^```(\w+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Example:
    """One block of code."""

    language: str
    code: str

    def at(self, address: str) -> str:
        """Return the code, calling the server at `address`."""
        return self.code.replace(ADDRESS, address)


def examples() -> dict[str, Example]:
    """Return each example by its name."""
    found = _EXAMPLE.findall(PAGE.read_text("utf-8"))
    return {name: Example(language, code) for name, language, code in found}


def blocks() -> int:
    """Return how many blocks of code the page has, examples or not."""
    return len(_BLOCK.findall(PAGE.read_text("utf-8")))


async def run_example(name: str, address: str, folder: Path) -> Ran:
    """Run an example in Python, for a shell or for Node.

    Args:
        name: Its name.
        address: Where the server is.
        folder: An empty one.

    Raises:
        pytest.skip.Exception: A program that it needs is missing.
    """
    example = examples()[name]
    code = example.at(address)
    match example.language:
        case "python":
            return await run(sys.executable, "-c", code)
        case "sh":
            for tool in ("grpcurl", "grpc-health-probe", "buf"):
                program(tool)
            return await run("bash", "-euc", code, environment={"PATH": SEARCHED})
        case "js":
            if not (NODE_PACKAGES / ".fetched").exists():
                missing("the Node client's packages are")
            (folder / "node_modules").symlink_to(NODE_PACKAGES)
            script = folder / "example.mjs"
            script.write_text(code, encoding="utf-8")
            return await run(program("node"), script)
        case other:
            raise ValueError(other)
