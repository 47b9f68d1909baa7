"""A steady mixed load with faults for an hour: a slope of memory, or a plateau?"""

import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from tests.bench.door import Door
from tests.bench.failure import NotMeasuredError
from tests.bench.lab import Lab
from tests.bench.load import Chaos
from tests.bench.measures.chaos import BYTES_PER_CALL, three_kinds
from tests.bench.measures.remains import slope
from tests.bench.procs import Subject
from tests.bench.row import Demand, Judged, Row

_HOUR_S = 3600
_CALLERS = 32
_EVERY_S = 0.5  # 64 calls a second: a tenth of a core
_LOOK_EVERY_S = 300
_MIB = 2**20


def hour(lab: Lab) -> list[Row]:
    """Return the rows of memory's slope over the second half of an hour, for each door."""
    return [_row(lab, door) for door in lab.switches.doors]


def _row(lab: Lab, door: Door) -> Row:
    count = round(_HOUR_S / _EVERY_S * _CALLERS)
    title = f"an hour of {_CALLERS / _EVERY_S:.0f} calls/s, random faults"
    samples: list[tuple[float, int, int, int]] = []  # when, calls over, resident, of the C heap
    try:
        with lab.ours(door, three_kinds(lab)) as subject:
            for report in _reports(lab, subject, count):
                looked = (time.monotonic(), report.over, subject.usage().rss_bytes)
                samples.append((*looked, _c_heap_bytes(subject)))
    except NotMeasuredError as error:
        return Row(measure=title, door=door, unit="", judged=Judged.VALUE, failure=str(error))
    half = [(over, rss) for _, over, rss, _ in samples[len(samples) // 2 :]]
    return Row(
        measure=f"{title}: memory slope over the second half, bytes per call",
        door=door,
        unit="B",
        ours=(slope(half),),
        judged=Judged.VALUE,
        demand=Demand(BYTES_PER_CALL),
        notes=(f"resident MiB, of it the C heap, every five minutes: {_course(samples)}",),
        failure=", ".join(f"{n} x {what}" for what, n in sorted((report.wrong or {}).items())),
    )


def _reports(lab: Lab, subject: Subject, count: int) -> Iterator[Chaos]:
    """Run the calls; yield a report each second, the last one with the outcomes."""
    flags = {"count": count, "callers": _CALLERS, "every": f"{_EVERY_S}s"}
    with lab.load.talk("chaos", target=subject.target, **flags) as talk:
        while True:
            report = talk.hear(Chaos)
            yield report
            if report.outcomes is not None:
                return


def _c_heap_bytes(subject: Subject) -> int:
    """Return what is resident of the C allocator's own region; Python's objects lie elsewhere."""
    within = False
    for line in Path(f"/proc/{subject.pid}/smaps").read_text(encoding="utf-8").splitlines():
        if "-" in line.split(" ", 1)[0]:
            within = line.endswith("[heap]")
        elif within and line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    return 0


def _course(samples: list[tuple[float, int, int, int]]) -> str:
    began_s = samples[0][0]
    spans = groupby(samples, lambda one: (one[0] - began_s) // _LOOK_EVERY_S)
    firsts = [next(span) for _, span in spans]
    return ", ".join(
        f"{rss / _MIB:.1f} ({heap / _MIB:.1f})" for _, _, rss, heap in [*firsts, samples[-1]]
    )
