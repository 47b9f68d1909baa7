"""From the caller's cancel to the end of the upstream socket."""

from math import ceil

from tests.bench.failure import NotMeasuredError
from tests.bench.lab import Lab
from tests.bench.load import Cancelled
from tests.bench.row import Judged, Row


def cancel(lab: Lab) -> list[Row]:
    """Return the row of cancels before and after the first token, 20 streams at a time."""
    runs: list[Cancelled] = []
    failure = ""
    for _ in range(lab.effort.passes if lab.switches.with_ours else 0):
        try:
            with lab.ours() as subject:
                run = lab.load.run(
                    Cancelled,
                    "cancel",
                    target=subject.target,
                    upstream=lab.upstream_url,
                    count=lab.effort.cancels,
                )
        except NotMeasuredError as error:
            failure = str(error)
            break
        runs.append(run)
        if run.outcomes != {"Canceled": lab.effort.cancels}:
            failure = f"outcomes {run.outcomes}"
        if len(run.closed_after_ns) != run.begun:
            failure = f"{len(run.closed_after_ns)} of {run.begun} sockets were seen to close"
    ordered = [sorted(ns / 1e6 for ns in run.closed_after_ns) for run in runs]
    return [
        Row(
            measure="cancel by the caller to upstream socket closed, p99",
            unit="ms",
            ours=tuple(delays[ceil(0.99 * len(delays)) - 1] for delays in ordered),
            judged=Judged.VALUE,
            must=50,
            notes=tuple(
                f"p50 {delays[len(delays) // 2]:.1f}, worst {delays[-1]:.1f} ms,"
                f" {run.begun} of {run.left} calls had reached the upstream"
                for delays, run in zip(ordered, runs, strict=True)
            ),
            failure=failure,
        )
    ]
