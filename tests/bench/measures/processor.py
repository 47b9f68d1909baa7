"""Processor time per call and per token, ours against the floors."""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.bench.door import Door
from tests.bench.failure import NotMeasuredError
from tests.bench.lab import Lab, others_share
from tests.bench.load import Counted
from tests.bench.procs import Subject
from tests.bench.row import Demand, Judged, Row

_NEARLY_ALL = 0.98  # of the tokens that the pace demands; less means saturation


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One kind of load."""

    title: str
    demand: Demand
    mode: str  # of the load client
    unit: str  # calls or tokens
    flags: dict[str, object]
    upstream_job: str | None  # the floor's other half, run by tests.bench.floors.upstream
    per_s: float | None = None  # units a second, if the upstream sets the pace


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One window of one process."""

    us: float  # processor time per unit
    others: float  # cores that other processes used meanwhile
    per_message: float  # units per message on the wire; 0 if nobody counted
    wrong: str


UNARY = Work(
    title="processor time per unary Chat, 8 callers",
    demand=Demand(1.7, 1.4),
    mode="unary",
    unit="calls",
    flags={"callers": 8},
    upstream_job="post",
)
TOGETHER = Work(
    title="processor time per unary Chat, 200 callers on one connection",
    demand=Demand(1.7, 1.4),
    mode="unary",
    unit="calls",
    flags={"callers": 200, "together": True},
    upstream_job="post",
)
BULK = Work(
    title="processor time per token, 8 streams of 200 tokens, upstream faster than us",
    demand=Demand(0.6, 0.25),
    mode="streams",
    unit="tokens",
    flags={"mode": "bulk", "streams": 8, "tokens": 200},
    upstream_job=None,
)


def paced(streams: int, aim: float) -> Work:
    """Return the work of streams at 50 tokens/s each."""
    return Work(
        title=f"processor time per token, {streams} streams at 50 tokens/s each",
        demand=Demand(1.3, aim),
        mode="streams",
        unit="tokens",
        flags={"mode": "paced", "streams": streams, "tokens": 1_000_000, "interval": "20ms"},
        upstream_job="read",
        per_s=streams * 50,
    )


PACED_200, PACED_20 = paced(200, aim=1.0), paced(20, aim=0.8)


def compare(lab: Lab, work: Work) -> list[Row]:
    """Return the rows of a work: each pass measures the floor's parts, then each of our doors."""
    floors: list[list[Sample]] = []
    ours: dict[Door, list[Sample]] = {door: [] for door in lab.switches.doors}
    failures: dict[Door, str] = {}
    for _ in range(lab.effort.passes):
        if lab.switches.with_floors:
            parts = [_served(lab, work, lambda: lab.floor("service"))]
            if work.upstream_job:
                parts.append(_loading(lab, work, work.upstream_job))
            floors.append(parts)
        for door, samples in ours.items():
            try:
                samples.append(_served(lab, work, functools.partial(lab.ours, door)))
            except NotMeasuredError as error:
                failures[door] = str(error)
    return [
        Row(
            measure=work.title,
            door=door,
            against="floor",
            unit="us",
            floor=tuple(sum(part.us for part in parts) for parts in floors),
            ours=tuple(sample.us for sample in samples),
            judged=Judged.RATIO,
            demand=work.demand,
            notes=_notes(floors, samples),
            failure=failures.get(door, "")
            or next((sample.wrong for sample in samples if sample.wrong), ""),
        )
        for door, samples in ours.items()
    ]


def peer(
    lab: Lab,
    name: str,
    opened: Callable[[Lab], AbstractContextManager[Subject]],
    works: tuple[Work, ...],
) -> list[Row]:
    """Return what another relay costs under the same works; for comparison, not judged."""
    rows = []
    for work in works:
        samples = [_served(lab, work, lambda: opened(lab)) for _ in range(lab.effort.passes)]
        rows.append(
            Row(
                measure=work.title,
                against=name,
                unit="us",
                floor=tuple(sample.us for sample in samples),
                notes=_notes([], samples),
            )
        )
    return rows


def _served(lab: Lab, work: Work, opened: Callable[[], AbstractContextManager[Subject]]) -> Sample:
    """Measure a process that serves gRPC under the load client."""
    with opened() as subject:
        flags = dict(work.flags)
        if work.mode == "streams":
            flags["spread"] = f"{lab.effort.spread_s}s"
        return _sample(
            work,
            subject,
            lab.quietest(
                lambda: lab.load.run(
                    Counted,
                    work.mode,
                    target=subject.target,
                    watch=f"{subject.pid},{lab.upstream.pid}",
                    **_span(lab),
                    **flags,
                )
            ),
        )


def _loading(lab: Lab, work: Work, job: str) -> Sample:
    """Measure a process that loads the upstream by itself."""
    streams = work.flags.get("streams", work.flags.get("callers"))
    with lab.floor_client("upstream", job, f"--streams={streams}") as subject:
        return _sample(
            work,
            subject,
            lab.quietest(
                lambda: lab.load.run(
                    Counted,
                    "watch",
                    upstream=lab.upstream_url,
                    chats=streams if job == "read" else 0,
                    watch=f"{subject.pid},{lab.upstream.pid}",
                    **_span(lab),
                )
            ),
        )


def _span(lab: Lab) -> dict[str, str]:
    return {"warm": f"{lab.effort.warm_s}s", "span": f"{lab.effort.span_s}s"}


def _sample(work: Work, subject: Subject, counted: Counted) -> Sample:
    units = counted.calls if work.unit == "calls" else counted.tokens
    wrong = ", ".join(
        f"{count} x {status}"
        for status, count in (counted.outcomes or {}).items()
        if status != "OK"
    )
    expected = (work.per_s or 0) * counted.window.wall_ns / 1e9
    if units < expected * _NEARLY_ALL:
        wrong = wrong or f"saturated: {units} of {expected:.0f} tokens"
    if not units:
        raise NotMeasuredError(wrong or "nothing was done in the window")
    return Sample(
        us=counted.window.cpu_ns[subject.pid] / units / 1000,
        others=others_share(counted),
        per_message=units / counted.messages if counted.messages else 0,
        wrong=wrong,
    )


def _notes(floors: list[list[Sample]], ours: list[Sample]) -> tuple[str, ...]:
    notes = []
    if floors and len(floors[0]) > 1:
        notes.append(
            "floor: "
            + ", ".join(" + ".join(f"{part.us:.1f}" for part in parts) for parts in floors)
        )
    if ours and ours[0].per_message > 1.05:
        notes.append("tokens per message: " + ", ".join(f"{one.per_message:.1f}" for one in ours))
    everything = [*ours, *(part for parts in floors for part in parts)]
    if everything:
        notes.append(
            f"other processes: at most {max(one.others for one in everything):.0%} of a core"
        )
    return tuple(notes)
