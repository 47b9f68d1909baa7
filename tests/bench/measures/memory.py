"""Resident memory with many open streams."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from tests.bench.failure import NotMeasuredError
from tests.bench.lab import MAX_CHATS, Lab
from tests.bench.load import Settled
from tests.bench.procs import Subject
from tests.bench.row import Judged, Row


def memory(lab: Lab) -> list[Row]:
    """Return the row of resident memory while every stream is open and silent."""
    floor: list[tuple[float, float]] = []
    ours: list[tuple[float, float]] = []
    failure = ""
    for _ in range(lab.effort.passes):
        if lab.switches.with_floors:
            floor.append(_held(lab, lambda: lab.floor("relay")))
        if lab.switches.with_ours and not failure:
            try:
                ours.append(_held(lab, lab.ours))
            except NotMeasuredError as error:
                failure = str(error)
    before = (
        "before the streams: "
        f"floor {', '.join(f'{idle:.0f}' for idle, _ in floor)}; "
        f"ours {', '.join(f'{idle:.0f}' for idle, _ in ours)} MiB"
    )
    return [
        Row(
            measure=f"resident memory with {MAX_CHATS:,} open streams",
            unit="MiB",
            floor=tuple(full for _, full in floor),
            ours=tuple(full for _, full in ours),
            judged=Judged.RATIO,
            must=1.4,
            aim=1.2,
            notes=(before,),
            failure=failure,
        )
    ]


def _held(lab: Lab, opened: Callable[[], AbstractContextManager[Subject]]) -> tuple[float, float]:
    """Return MiB before the streams and with them."""
    with opened() as subject:
        idle = subject.usage().rss_bytes
        with lab.load.talk(
            "hold", target=subject.target, streams=MAX_CHATS, spread=f"{2 * lab.effort.spread_s}s"
        ) as talk:
            settled = talk.hear(Settled).settled
            if settled != {"OK": MAX_CHATS}:
                raise NotMeasuredError(f"not all streams opened: {settled}")
            return idle / 2**20, subject.usage().rss_bytes / 2**20
