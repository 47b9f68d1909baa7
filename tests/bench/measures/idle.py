"""What a server costs that nobody calls."""

import contextlib
import threading
import time

from tests.bench.door import Door
from tests.bench.failure import NotMeasuredError
from tests.bench.lab import Lab
from tests.bench.row import NONE, Demand, Demands, Judged, Row

_SETTLE_S = 5  # after the start, before it counts
_PERCENT: Demands = dict.fromkeys((Door.IN_LOOP, Door.AIO), Demand(1, 0.5))


def idle(lab: Lab) -> list[Row]:
    """Return the rows of processor time without calls, all doors over the same minute."""
    shares: dict[Door, float] = {}
    failure = ""
    try:
        with contextlib.ExitStack() as stack:
            subjects = {door: stack.enter_context(lab.ours(door)) for door in lab.switches.doors}
            pause = threading.Event()
            pause.wait(_SETTLE_S)
            before = {door: subject.processor_s() for door, subject in subjects.items()}
            begun_s = time.monotonic()
            pause.wait(lab.effort.idle_s)
            wall_s = time.monotonic() - begun_s
            shares = {
                door: (subject.processor_s() - before[door]) / wall_s
                for door, subject in subjects.items()
            }
    except NotMeasuredError as error:
        failure = str(error)
    return [
        Row(
            measure=f"idle server, {lab.effort.idle_s:.0f} s without calls, of a core",
            door=door,
            unit="%",
            ours=(100 * shares[door],) if door in shares else (),
            judged=Judged.VALUE,
            demand=_PERCENT.get(door, NONE),
            failure=failure,
        )
        for door in lab.switches.doors
    ]
