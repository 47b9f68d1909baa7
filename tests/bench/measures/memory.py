"""Resident memory with many open streams."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from tests.bench.door import Door
from tests.bench.failure import NotMeasuredError
from tests.bench.lab import MAX_CHATS, Lab
from tests.bench.load import Settled
from tests.bench.procs import Subject
from tests.bench.row import NONE, Demand, Demands, Judged, Row

_FLOOR = "floor"
_MIB: Demands = {Door.IN_LOOP: Demand(105, 95), Door.AIO: Demand(116)}
_TIMES: Demands = dict.fromkeys((Door.IN_LOOP, Door.AIO), Demand(1.4, 1.2))


def memory(lab: Lab) -> list[Row]:
    """Return the rows of resident memory while every stream is open and silent."""
    opened: dict[str, Callable[[], AbstractContextManager[Subject]]] = {}
    if lab.switches.with_floors:
        opened[_FLOOR] = lambda: lab.floor("relay")
    opened |= {door.value: partial(lab.ours, door) for door in lab.switches.doors}
    held: dict[str, list[tuple[float, float]]] = {name: [] for name in opened}
    failures: dict[str, str] = {}
    for _ in range(lab.effort.passes):
        for name, opener in opened.items():
            try:
                held[name].append(_held(lab, opener))
            except NotMeasuredError as error:
                failures[name] = str(error)
    floor = tuple(full for _, full in held.get(_FLOOR, []))
    return [
        Row(
            measure=f"resident memory with {MAX_CHATS:,} open streams",
            door=door,
            against=_FLOOR if judged is Judged.RATIO else "",
            unit="MiB",
            floor=floor if judged is Judged.RATIO else (),
            ours=tuple(full for _, full in held[door]),
            judged=judged,
            demand=demands.get(door, NONE),
            notes=(
                f"before the streams: {', '.join(f'{idle:.0f}' for idle, _ in held[door])} MiB",
            ),
            failure=failures.get(door, ""),
        )
        for door in lab.switches.doors
        for judged, demands in ((Judged.VALUE, _MIB), (Judged.RATIO, _TIMES))
    ]


def _held(lab: Lab, opened: Callable[[], AbstractContextManager[Subject]]) -> tuple[float, float]:
    """Return MiB before the streams and with them."""
    with opened() as subject:
        idle = subject.usage().rss_bytes
        with lab.load.talk(
            "hold", target=subject.target, streams=MAX_CHATS, spread=f"{4 * lab.effort.spread_s}s"
        ) as talk:
            settled = talk.hear(Settled).settled
            if settled != {"OK": MAX_CHATS}:
                raise NotMeasuredError(f"not all streams opened: {settled}")
            return idle / 2**20, subject.usage().rss_bytes / 2**20
