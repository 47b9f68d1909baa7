#!/usr/bin/env python3
"""Hold each package to its coverage floor: lines and branches together, per package.

Knows the layout of `coverage json` (format 3) and nothing of what the packages do.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TypedDict

# A hole there is a wrong answer to somebody.
FULL = frozenset(
    {"chat", "errors", "failures", "routing", "rpc", "schemas", "upstreams", "watchdog"}
)
BOTTOM = frozenset({"errors", "failures", "reports", "watchdog"})  # steps that are one module each
FULL_PERCENT = 100
OTHER_PERCENT = 95


class Summary(TypedDict):
    """Counts of one file, as coverage writes them."""

    covered_lines: int
    num_statements: int
    covered_branches: int
    num_branches: int


class FileEntry(TypedDict):
    """One file of the report."""

    summary: Summary


class Report(TypedDict):
    """What this script reads of the report."""

    files: dict[str, FileEntry]


def package_of(path: str) -> str:
    """Return the step of the staircase that a source file stands on.

    Args:
        path: Path from the project's root, such as "server/llmsvc_server/rpc/server.py".

    Returns:
        "rpc", "errors"; "server" for the modules on top of all; "client", "client.cli".
    """
    _root, top, *inner = PurePosixPath(path).with_suffix("").parts
    if top == "llmsvc_client":
        return "client.cli" if inner[0] == "cli" else "client"
    return inner[0] if len(inner) > 1 or inner[0] in BOTTOM else "server"


def changed_since(report: Path, files: Iterable[str]) -> list[str]:
    """Return which files a report measured as they no longer are, or are not any more."""
    written_s = report.stat().st_mtime
    return [
        name
        for name in files
        if not (file := Path(name)).exists() or file.stat().st_mtime > written_s
    ]


def main() -> int:
    """Print one row per package.

    Returns:
        The exit code: 0, 1 where a package is below its floor, 2 without a report of this code.
    """
    try:
        report: Report = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    except (IndexError, OSError, ValueError) as error:
        sys.stderr.write(f"coverage_floors.py needs the file that `coverage json` wrote: {error}\n")
        return 2
    if changed := changed_since(Path(sys.argv[1]), report["files"]):
        sys.stderr.write(f"{changed[0]} changed since it was measured: run `make cov`\n")
        return 2
    covered: defaultdict[str, int] = defaultdict(int)
    wanted: defaultdict[str, int] = defaultdict(int)
    for path, entry in report["files"].items():
        counts, package = entry["summary"], package_of(path)
        covered[package] += counts["covered_lines"] + counts["covered_branches"]
        wanted[package] += counts["num_statements"] + counts["num_branches"]
    low = 0
    for package in sorted(wanted):
        floor = FULL_PERCENT if package in FULL else OTHER_PERCENT
        is_low = covered[package] * 100 < floor * wanted[package]
        low += is_low
        percent = 100 * covered[package] / wanted[package] if wanted[package] else 100.0
        verdict = "  BELOW" if is_low else ""
        sys.stdout.write(f"{package:<16}{percent:7.2f} %  floor {floor} %{verdict}\n")
    if low:
        sys.stdout.write("Holes by file: .venv/bin/coverage report --show-missing\n")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
