"""`python -m tests.bench`: measures, prints a table, writes docs/performance.md."""

import argparse
import contextlib
import functools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console

from tests.bench import machine
from tests.bench.build import ROOT, Programs, build
from tests.bench.effort import FULL, QUICK
from tests.bench.failure import NotMeasuredError
from tests.bench.lab import Lab, Switches, upstream_running
from tests.bench.measures import (
    cancel,
    chaos,
    failover,
    first,
    greedy,
    half_open,
    hostile,
    hour,
    memory,
    outage,
    processor,
    soak,
    start,
    worst_mix,
)
from tests.bench.page import page
from tests.bench.report import table
from tests.bench.row import Judged, Row

_PACED_200, _PACED_20 = processor.paced(200, aim=1.0), processor.paced(20, aim=0.8)
MEASURES: dict[str, Callable[[Lab], list[Row]]] = {
    "unary": functools.partial(processor.compare, work=processor.UNARY),
    "one-connection": functools.partial(processor.compare, work=processor.TOGETHER),
    "bulk": functools.partial(processor.compare, work=processor.BULK),
    "paced-200": functools.partial(processor.compare, work=_PACED_200),
    "paced-20": functools.partial(processor.compare, work=_PACED_20),
    "first": first.first_token,
    "memory": memory.memory,
    "start": start.start,
    "cancel": cancel.cancel,
    "soak": soak.soak,
    "failover-refused": failover.refused,
    "hostile": hostile.hostile,
    "worst-mix": worst_mix.worst_mix,
    "greedy": greedy.greedy,
}
COUNTING: dict[str, Callable[[Lab], list[Row]]] = {
    "half-open": half_open.half_open,
    "outage": outage.outage,
    "chaos": chaos.chaos,
}
"""Measures that judge no time, and so run side by side, each with an upstream of its own."""

EXTRAS: dict[str, Callable[[Lab], list[Row]]] = {
    "bare-relay": functools.partial(
        processor.peer,
        name="bare Python relay",
        opened=lambda lab: lab.floor("relay"),
        works=(processor.UNARY, _PACED_200, _PACED_20),
    ),
    "go-relay": functools.partial(
        processor.peer,
        name="Go gRPC relay",
        opened=lambda lab: lab.go_relay(),
        works=(processor.UNARY, processor.BULK, _PACED_200, _PACED_20),
    ),
    "hour": hour.hour,
}


def main() -> None:
    """Run what the flags ask for."""
    arguments = _arguments()
    console = Console(width=150) if not Console().is_terminal else Console()
    programs = build()
    names = arguments.only or [*MEASURES, *COUNTING]
    facts = machine.describe()
    rows: list[Row] = []

    def taken(name: str, measure: Callable[[Lab], list[Row]], lab: Lab) -> list[Row]:
        begun_s = time.monotonic()
        try:
            result = measure(lab)
        except NotMeasuredError as error:  # the others' figures stand
            result = [Row(measure=name, unit="", judged=Judged.NOTHING, failure=str(error))]
        console.print(f"{name}: {time.monotonic() - begun_s:.0f} s", style="dim")
        return result

    def counted(name: str) -> list[Row]:
        with _lab(arguments, programs) as lab:
            return taken(name, COUNTING[name], lab)

    with _lab(arguments, programs) as lab:
        for name, measure in (MEASURES | EXTRAS).items():
            if name in names:
                rows += taken(name, measure, lab)
    with ThreadPoolExecutor() as pool:
        for some in pool.map(counted, [name for name in COUNTING if name in names]):
            rows += some
    console.print(*facts, sep="\n")
    console.print(table(rows))
    if target := _target(arguments):
        target.write_text(page(facts, rows), encoding="utf-8")


@contextlib.contextmanager
def _lab(arguments: argparse.Namespace, programs: Programs) -> Iterator[Lab]:
    """Yield a lab with an upstream of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="llmsvc-bench-") as folder,
        upstream_running(programs, Path(folder)) as (upstream, gate_url),
    ):
        yield Lab(
            effort=QUICK if arguments.quick else FULL,
            switches=_switches(arguments),
            programs=programs,
            upstream=upstream,
            gate_url=gate_url,
            folder=Path(folder),
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes, rough")
    parser.add_argument(
        "--only",
        action="append",
        choices=[*MEASURES, *COUNTING, *EXTRAS],
        help="a measure; repeatable",
    )
    parser.add_argument("--ours", action="store_true", help="leave the floors out")
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
    return Switches(
        server=arguments.server,
        server_env=dict(pair.split("=", 1) for pair in arguments.server_env),
        floor_env=dict(pair.split("=", 1) for pair in arguments.floor_env),
        floor_options=tuple(arguments.floor_option),
        with_floors=not arguments.ours,
        with_ours=not arguments.floors,
    )


def _target(arguments: argparse.Namespace) -> Path | None:
    """Return the page to write; by itself only a full run without experiments writes."""
    partial = (
        arguments.quick
        or arguments.only
        or arguments.ours
        or arguments.floors
        or arguments.server_env
        or arguments.floor_env
        or arguments.floor_option
    )
    written: Path | None = arguments.write
    return written or (None if partial else ROOT / "docs" / "performance.md")


if __name__ == "__main__":
    main()
