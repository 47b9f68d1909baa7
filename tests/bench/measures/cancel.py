"""From the caller's cancel to the end of the upstream socket."""

from math import ceil

from tests.bench.door import Door
from tests.bench.failure import NotMeasuredError
from tests.bench.lab import Lab
from tests.bench.load import Cancelled
from tests.bench.row import Demand, Judged, Row


def cancel(lab: Lab) -> list[Row]:
    """Return the rows of cancels before and after the first token, 20 streams at a time."""
    runs: dict[Door, list[Cancelled]] = {door: [] for door in lab.switches.doors}
    failures: dict[Door, str] = {}
    for _ in range(lab.effort.passes):
        for door, some in runs.items():
            try:
                run = _run(lab, door)
            except NotMeasuredError as error:
                failures[door] = str(error)
            else:
                some.append(run)
                failures[door] = failures.get(door) or _wrong(run, lab.effort.cancels)
    return [_row(door, some, failures.get(door, "")) for door, some in runs.items()]


def _run(lab: Lab, door: Door) -> Cancelled:
    with lab.ours(door) as subject:
        return lab.load.run(
            Cancelled,
            "cancel",
            target=subject.target,
            upstream=lab.upstream_url,
            count=lab.effort.cancels,
        )


def _wrong(run: Cancelled, count: int) -> str:
    if len(run.closed_after_ns) != run.begun:
        return f"{len(run.closed_after_ns)} of {run.begun} sockets were seen to close"
    return "" if run.outcomes == {"Canceled": count} else f"outcomes {run.outcomes}"


def _row(door: Door, runs: list[Cancelled], failure: str) -> Row:
    ordered = [sorted(ns / 1e6 for ns in run.closed_after_ns) for run in runs]
    return Row(
        measure="cancel by the caller to upstream socket closed, p99",
        door=door,
        unit="ms",
        ours=tuple(delays[ceil(0.99 * len(delays)) - 1] for delays in ordered),
        judged=Judged.VALUE,
        demand=Demand(50),
        notes=tuple(
            f"p50 {delays[len(delays) // 2]:.1f}, worst {delays[-1]:.1f} ms,"
            f" {run.begun} of {run.left} calls had reached the upstream"
            for delays, run in zip(ordered, runs, strict=True)
        ),
        failure=failure,
    )
