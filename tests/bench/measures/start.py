"""From the start of the process to the first SERVING of liveness."""

import time

from tests.bench.door import Door
from tests.bench.failure import NotMeasuredError
from tests.bench.lab import Lab
from tests.bench.row import Demand, Judged, Row


def start(lab: Lab) -> list[Row]:
    """Return the rows of the slowest start; the first one, from cold files, is thrown away."""
    return [_row(lab, door) for door in lab.switches.doors]


def _row(lab: Lab, door: Door) -> Row:
    seconds: list[float] = []
    failure = ""
    try:
        seconds = [_start_s(lab, door) for _ in range(lab.effort.starts + 1)][1:]
    except NotMeasuredError as error:
        failure = str(error)
    return Row(
        measure="start to first SERVING liveness, slowest",
        door=door,
        unit="s",
        ours=(max(seconds),) if seconds else (),
        judged=Judged.VALUE,
        demand=Demand(1),
        notes=(f"all: {', '.join(f'{one:.2f}' for one in seconds)}",) if seconds else (),
        failure=failure,
    )


def _start_s(lab: Lab, door: Door) -> float:
    begun_ns = time.monotonic_ns()
    with lab.ours_unready(door) as subject:
        return (lab.wait_serving(subject, "liveness") - begun_ns) / 1e9
