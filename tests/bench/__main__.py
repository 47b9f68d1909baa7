"""`python -m tests.bench`: measures, prints a table, writes docs/performance.md."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from tests.bench import machine
from tests.bench.build import ROOT, build
from tests.bench.door import Door
from tests.bench.effort import FULL, QUICK
from tests.bench.lab import Switches
from tests.bench.page import page
from tests.bench.plan import BY_HAND, LATER, QUIET
from tests.bench.report import summary, table
from tests.bench.run import Run

_EXPERIMENTS = ("quick", "only", "door", "before", "ours", "floors")
_ADDED = ("server_env", "floor_env", "floor_option")


def main() -> None:
    """Run what the flags ask for."""
    arguments = _arguments()
    console = Console(width=180) if not Console().is_terminal else Console()
    facts = machine.describe()
    run = Run(
        programs=build(),
        effort=QUICK if arguments.quick else FULL,
        switches=_switches(arguments),
        names=tuple(arguments.only or (*QUIET, *LATER)),
        say=lambda line: console.print(line, style="dim"),
    )
    rows = run.rows()
    facts.append(run.lasted())
    console.print(*facts, sep="\n")
    console.print(table(rows), summary(rows), sep="\n")
    if target := _target(arguments):
        target.write_text(page(facts, rows), encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="some minutes, rough")
    parser.add_argument(
        "--only",
        action="append",
        choices=[*QUIET, *LATER, *BY_HAND],
        help="a measure; repeatable",
    )
    parser.add_argument(
        "--door",
        action="append",
        choices=[Door.IN_LOOP.value, Door.AIO.value],
        help="a door of ours; repeatable; both if there is none",
    )
    parser.add_argument(
        "--before",
        type=Path,
        metavar="PROGRAM",
        help="llmsvc-server of another environment, an older one, to be measured beside ours",
    )
    parser.add_argument("--ours", action="store_true", help="leave the floors and relays out")
    parser.add_argument("--floors", action="store_true", help="leave ours out")
    parser.add_argument(
        "--server",
        type=Path,
        default=Path(sys.executable).with_name("llmsvc-server"),
        help="program to measure instead of this environment's",
    )
    parser.add_argument("--write", type=Path, help="page to write, if this is not a full run")
    for flag, what in {
        "--server-env": "variable for our server, NAME=VALUE",
        "--floor-env": "variable for the floors, NAME=VALUE",
        "--floor-option": "channel argument for the floors, NAME=VALUE",
    }.items():
        parser.add_argument(flag, action="append", default=[], help=f"{what}; repeatable")
    return parser.parse_args()


def _switches(arguments: argparse.Namespace) -> Switches:
    doors = [Door(name) for name in arguments.door or (Door.IN_LOOP, Door.AIO)]
    servers = dict.fromkeys(doors, arguments.server)
    if arguments.before:
        servers[Door.BEFORE] = arguments.before
    return Switches(
        servers={} if arguments.floors else servers,
        server_env=dict(pair.split("=", 1) for pair in arguments.server_env),
        floor_env=dict(pair.split("=", 1) for pair in arguments.floor_env),
        floor_options=tuple(arguments.floor_option),
        with_floors=not arguments.ours,
    )


def _target(arguments: argparse.Namespace) -> Path | None:
    """Return the page to write; by itself only a full run without experiments writes."""
    written: Path | None = arguments.write
    is_partial = any(getattr(arguments, name) for name in (*_EXPERIMENTS, *_ADDED))
    return written or (None if is_partial else ROOT / "docs" / "performance.md")


if __name__ == "__main__":
    main()
