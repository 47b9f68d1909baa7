"""Processor time per call and per token, ours against the floors and a compiled relay."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

from tests.bench.door import Door
from tests.bench.failure import NotMeasuredError
from tests.bench.lab import Lab, alone, others_share
from tests.bench.load import Counted
from tests.bench.measures.turns import Opener, Sample, Take, Taken, Window, take_turns
from tests.bench.measures.works import Rival, Work
from tests.bench.procs import Subject
from tests.bench.row import NONE, Judged, Row

_NEARLY_ALL = 0.98  # of the tokens that the pace demands; less means saturation
_HALF = "the floor's other half"

Serving = Callable[[], contextlib.AbstractContextManager[Subject]]


def compare(lab: Lab, work: Work) -> list[Row]:
    """Return the rows of a work: one for each of our doors and each of its rivals."""
    rivals = _rivals(lab, work) if lab.switches.with_floors else {}
    llm = alone(work.provider(lab.upstream_url))
    doors = {
        door.value: _served(lab, work, partial(lab.ours, door, llm)) for door in lab.switches.doors
    }
    taken = take_turns(lab.effort, rivals | doors)
    return [
        _row(work, taken, door, rival, is_first=number == 0)
        for door in lab.switches.doors
        for number, rival in enumerate(work.rivals)
    ]


def peer(
    lab: Lab, name: str, opened: Callable[[Lab], Serving], works: tuple[Work, ...]
) -> list[Row]:
    """Return what another relay costs under the same works; for comparison, not judged."""
    rows = []
    for work in works:
        taken = take_turns(lab.effort, {name: _served(lab, work, opened(lab))})[name]
        rows.append(
            Row(
                measure=work.title,
                against=name,
                unit="us",
                floor=taken.us,
                notes=_others([taken]),
                failure=taken.wrong,
            )
        )
    return rows


def _rivals(lab: Lab, work: Work) -> dict[str, Opener]:
    serving: dict[Rival, Serving] = {
        Rival.FLOOR: lambda: lab.floor("service"),
        Rival.PHYSICAL: lambda: lab.floor("physical"),
        Rival.GO: lab.go_relay,
    }
    openers = {rival.value: _served(lab, work, serving[rival]) for rival in work.rivals}
    if work.upstream_job:
        openers[_HALF] = partial(_loading, lab, work, work.upstream_job)
    return openers


def _row(work: Work, taken: dict[str, Taken], door: Door, rival: Rival, *, is_first: bool) -> Row:
    ours, theirs = taken[door], taken.get(rival, Taken())
    parts = [theirs]
    if rival is Rival.FLOOR and _HALF in taken:
        parts.append(taken[_HALF])
    broken = next((part.wrong for part in parts if part.wrong), "")
    notes = [f"{rival}: {broken}"] if broken else []
    if is_first:
        notes += _merged(ours)
        notes += _others(list(taken.values()))
    return Row(
        measure=work.title,
        door=door,
        against=rival,
        unit="us",
        floor=tuple(map(sum, zip(*(part.us for part in parts), strict=False))),
        ours=ours.us,
        judged=Judged.RATIO,
        demand=work.rivals[rival].get(door, NONE),
        notes=tuple(notes),
        failure=ours.wrong,
    )


def _served(lab: Lab, work: Work, serving: Serving) -> Opener:
    @contextlib.contextmanager
    def opened() -> Iterator[Take]:
        with serving() as subject:
            take = partial(_under_load, lab, work, subject)
            take(Window(lab.effort.first_warm_s, lab.effort.warm_s))  # thrown away
            yield take

    return opened


def _under_load(lab: Lab, work: Work, subject: Subject, window: Window) -> Sample:
    """Measure a process that serves gRPC under the load client."""
    flags = dict(work.flags)
    if work.mode == "streams":
        flags["spread"] = f"{lab.effort.spread_s}s"
    counted = lab.load.run(
        Counted, work.mode, target=subject.target, **_span(lab, subject, window), **flags
    )
    return _sample(work, subject, counted)


@contextlib.contextmanager
def _loading(lab: Lab, work: Work, job: str) -> Iterator[Take]:
    yield partial(_loading_itself, lab, work, job)


def _loading_itself(lab: Lab, work: Work, job: str, window: Window) -> Sample:
    """Measure a process that loads the upstream by itself, a fresh one: it would do so all the time."""
    streams = work.flags.get("streams", work.flags.get("callers"))
    spread = f"--spread-s={lab.effort.spread_s}"
    with lab.floor_client("upstream", job, f"--streams={streams}", spread) as subject:
        window = Window(lab.effort.first_warm_s, window.span_s)
        counted = lab.load.run(
            Counted,
            "watch",
            upstream=lab.upstream_url,
            chats=streams if job == "read" else 0,
            **_span(lab, subject, window),
        )
    return _sample(work, subject, counted)


def _span(lab: Lab, subject: Subject, window: Window) -> dict[str, str]:
    return {
        "warm": f"{window.warm_s}s",
        "span": f"{window.span_s}s",
        "watch": f"{subject.pid},{lab.upstream.pid}",
    }


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


def _merged(ours: Taken) -> tuple[str, ...]:
    most = max((one.per_message for one in ours.samples), default=0)
    return (f"tokens per message: at most {most:.1f}",) if most > 1.05 else ()


def _others(taken: list[Taken]) -> tuple[str, ...]:
    shares = [one.others for each in taken for one in each.samples]
    return (f"other processes: at most {max(shares):.0%} of a core",) if shares else ()
