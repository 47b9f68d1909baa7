"""`python -m tests.scenarios.scorecard`: runs the scenarios and shows what each came to.

Writes docs/scorecard.md, or with `--check` fails where the page says something else. Other
arguments are pytest's.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.scenarios.fixtures import CELL
from tests.scenarios.protocols import Protocol
from tests.scenarios.stage import Way

PAGE = Path(__file__).parents[2] / "docs/scorecard.md"
NAMES = {
    1: "429 with Retry-After, then well",
    2: "429 without a word on time; a full queue",
    3: "one 500, then well",
    4: "503 that stays",
    5: "reset before the headers, once",
    6: "no response",
    7: "slow first token",
    8: "cut after content",
    9: "stall after content",
    10: "malformed chunk",
    11: "missing end mark",
    12: "prompt too long",
    13: "content filter",
    14: "cut, and the fallback refuses",
    15: "outage of a minute",
    16: "receipt of a failover",
}
SAFE = frozenset((8, 9, 10, 11))
"""Where a stream that has begun ends with a clean error: text that was shown is not replaced."""

COLUMNS = [(way, protocol) for way in Way for protocol in Protocol]
TITLES = {Protocol.OLLAMA: "Ollama", Protocol.OPENAI: "OpenAI-compatible"} | {
    Protocol.ANTHROPIC: "Anthropic"
}
Cell = tuple[int, Way, Protocol]

HEAD = """# Scorecard

What sixteen faults come to, for each call and each protocol of the primary, with a fallback and alone. Written by `make scorecard`,
which runs `tests/scenarios`; CI fails where this page says something else. What is injected, and what must hold, is in the tests.

- **pass**: the call ends as if nothing had been wrong, or, where nobody is left to answer, with the one right status; never a hang,
  a double answer or a lost one.
- **safe**: the same, but a stream that has already shown text ends with ABORTED / `STREAM_INTERRUPTED`: text of another model is
  never joined to it. Cut before its first content it fails over like `Chat`.
- **n/a**: this protocol has no such signal.

"""


class Results:
    """Takes the outcome of every scenario that pytest runs, here or in a worker of its own."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.cells: dict[Cell, bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a phase of a test ended."""
        for name, value in report.user_properties:
            if name == CELL:
                number, way, protocol = cast("tuple[int, str, str]", value)
                cell = number, Way(way), Protocol(protocol)
                self.cells[cell] = self.cells.get(cell, True) and report.passed


def page(cells: dict[Cell, bool]) -> str:
    """Return the page."""
    return HEAD + "\n".join(_table(cells)) + "\n"


def _table(cells: dict[Cell, bool]) -> Iterator[str]:
    titles = [f"{way.value}: {TITLES[protocol]}" for way, protocol in COLUMNS]
    yield f"| fault | {' | '.join(titles)} |"
    yield "|" + "---|" * (len(titles) + 1)
    for number, name in NAMES.items():
        row = [_word(cells.get((number, *column)), number, column[0]) for column in COLUMNS]
        yield f"| S{number:02} {name} | {' | '.join(row)} |"


def _word(passed: bool | None, number: int, way: Way) -> str:  # noqa: FBT001  a cell
    if passed is None:
        return "n/a"
    if not passed:
        return "**FAIL**"
    return "safe" if way is Way.STREAM and number in SAFE else "pass"


def main() -> int:
    """Run the scenarios; return 0 if all is well and the page says so."""
    parser = argparse.ArgumentParser(prog="python -m tests.scenarios.scorecard")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments, more = parser.parse_known_args()
    results = Results()
    code = pytest.main(["--quiet", *more, str(Path(__file__).parent)], plugins=[results])
    written = page(results.cells)
    sys.stdout.write(written.removeprefix(HEAD))
    if not arguments.check:
        PAGE.write_text(written, encoding="utf-8")
        return int(code)
    if PAGE.read_text(encoding="utf-8") != written:
        sys.stderr.write("docs/scorecard.md says something else; run make scorecard\n")
        return 1
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
