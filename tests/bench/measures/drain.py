"""What becomes of the streams that run when a server is told to stop."""

import signal
import time

from tests.bench.door import Door
from tests.bench.failure import NotMeasuredError
from tests.bench.lab import Lab
from tests.bench.load import Held, Settled
from tests.bench.row import Demand, Judged, Row, said

_TOKENS, _INTERVAL_S = 200, 0.04  # longer than balancers are waited for


def drain(lab: Lab) -> list[Row]:
    """Return the rows of streams that did not come to their own end after SIGTERM."""
    return [_row(lab, door) for door in lab.switches.doors]


def _row(lab: Lab, door: Door) -> Row:
    count = lab.effort.drained
    cut: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    failure = ""
    try:
        ends, after_s = _drained(lab, door, count)
        cut = (float(count - ends.get("OK", 0)),)
        notes = (f"statuses: {said(ends)}; the process ended {after_s:.1f} s after the signal",)
    except NotMeasuredError as error:
        failure = str(error)
    return Row(
        measure=f"drain: of {count} streams that run at SIGTERM, cut before their end",
        door=door,
        unit="",
        ours=cut,
        judged=Judged.VALUE,
        demand=Demand(0),
        notes=notes,
        failure=failure,
    )


def _drained(lab: Lab, door: Door, count: int) -> tuple[dict[str, int], float]:
    """Return the statuses of the streams, and when the process had ended."""
    flags = {"streams": count, "tokens": _TOKENS, "interval": f"{_INTERVAL_S}s", "settle": "0s"}
    with (
        lab.ours(door) as subject,
        lab.load.talk("hold", target=subject.target, spread="1s", **flags) as talk,
    ):
        if (settled := talk.hear(Settled).settled) != {"OK": count}:
            raise NotMeasuredError(f"not all streams opened: {settled}")
        told_s = time.monotonic()
        subject.tell(signal.SIGTERM)
        if code := subject.exit_code(within_s=30):
            raise NotMeasuredError(f"the process ended with {code}")
        return talk.end(Held).early or {}, time.monotonic() - told_s
