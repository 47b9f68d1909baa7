"""Very many calls while every provider fails at random."""

import contextlib
import threading
import time
from collections import Counter
from itertools import pairwise
from statistics import fmean, stdev
from typing import NamedTuple

from tests.bench.door import Door
from tests.bench.failure import NotMeasuredError
from tests.bench.lab import MAX_CHATS, Lab, anthropic, ollama, openai
from tests.bench.load import Chaos, Recovered
from tests.bench.look import Look
from tests.bench.measures.remains import left_behind, settled, slots
from tests.bench.procs import Subject
from tests.bench.row import Demand, Judged, Row, said

BYTES_PER_CALL = 1.024  # 1 KiB per 1,000 calls
_FLOOR = "bare service"
_KINDS = ("ollama", "openai", "anthropic")
_SILENCE_S = 1
_TWINS = 7  # of each kind, as the load client knows
_SPARE = 2 * (1 + _TWINS)  # connections that questions about the Ollamas may keep open more
_KEPT_S = 20  # after a window: idle connections to upstreams are closed after 15


class _Held(NamedTuple):
    """What a process holds between two windows, in bytes."""

    in_use: int
    resident: int


class _Run(NamedTuple):
    """What became of all calls, and what they left."""

    wrong: Counter[str]
    outcomes: Counter[str]
    faults: str
    held: dict[str, list[_Held]]  # after the warm-up and after each window, of ours and the floor
    left: str
    left_note: str


def chaos(lab: Lab) -> list[Row]:
    """Return the rows of statuses, of memory and of what is left afterwards, for each door."""
    return [row for door in lab.switches.doors for row in _rows(lab, door)]


def _rows(lab: Lab, door: Door) -> list[Row]:
    title = f"{lab.effort.chaos_calls:,} calls, random faults of three kinds of provider"
    try:
        run = _run(lab, door)
    except NotMeasuredError as error:
        return [Row(measure=title, door=door, unit="", judged=Judged.VALUE, failure=str(error))]
    return [
        Row(
            measure=f"{title}: calls without exactly one proper status",
            door=door,
            unit="",
            ours=(float(sum(run.wrong.values())),),
            judged=Judged.VALUE,
            demand=Demand(0),
            notes=("statuses: " + said(run.outcomes), run.faults),
            failure=", ".join(f"{n} x {what}" for what, n in sorted(run.wrong.items())),
        ),
        _grown(lab, door, run, "in_use", f"{title}: bytes in use, growth per call"),
        _grown(lab, door, run, "resident", f"{title}: resident bytes, growth per call"),
        Row(
            measure=f"{title}: left behind (descriptors, threads, upstream sockets, slots)",
            door=door,
            unit="",
            ours=(float(bool(run.left)),),
            judged=Judged.VALUE,
            demand=Demand(0),
            notes=(run.left_note,),
            failure=run.left,
        ),
    ]


def _grown(lab: Lab, door: Door, run: _Run, what: str, measure: str) -> Row:
    """Return the row of one kind of memory: what is in use is judged, what is resident wavers."""
    calls = lab.effort.chaos_calls // lab.effort.chaos_pairs
    per_call: dict[str, tuple[float, ...]] = {}
    notes = []
    for name, held in run.held.items():
        values = [getattr(one, what) for one in held]
        steps = pairwise(values)
        per_call[name] = tuple((after - before) / calls for before, after in steps)
        course = ", ".join(f"{value / 2**20:.2f}" for value in values)
        notes.append(f"{name}: {course} MiB, by window {_spread(per_call[name])}")
    is_judged = what == "in_use" and lab.effort.settle_s and _FLOOR in per_call
    return Row(
        measure=measure,
        door=door,
        against=_FLOOR if _FLOOR in per_call else "",
        unit="B",
        floor=per_call.get(_FLOOR, ()),
        ours=per_call[door],
        judged=Judged.ADDED if is_judged else Judged.NOTHING,
        demand=Demand(BYTES_PER_CALL) if is_judged else Demand(),
        notes=tuple(notes),
    )


def _spread(values: tuple[float, ...]) -> str:
    """Return the mean with its standard error."""
    error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{fmean(values):.2f} ± {error:.2f} B a call"


def _run(lab: Lab, door: Door) -> _Run:
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(lab.watched(door, three_kinds(lab)))
        looks = {door.value: ours}
        if lab.switches.with_floors:
            looks[_FLOOR] = stack.enter_context(lab.watched_floor("service"))
        before, idle_before = ours.subject.usage(), lab.ledger().connections
        wrong, outcomes, held = _windows(lab, looks)
        after, idle_after = settled(lab, ours.subject, (before, idle_before), spare=_SPARE)
        ledger = lab.ledger()
        lacking = ledger.sorts - len(ledger.faults)
        wrong["sorts of faults never drawn"] = lacking if lab.effort.settle_s else 0
        wrong["stack traces in the log"] = ours.subject.log.read_text(
            encoding="utf-8", errors="replace"
        ).count("Traceback")
        sockets = (idle_before, idle_after)
        left = left_behind((before, after), sockets, spare=_SPARE, chatted=ledger.chatted)
        found = (left if lab.effort.settle_s else "", _places(lab, ours.subject))
    return _Run(
        wrong=+wrong,
        outcomes=outcomes,
        faults=f"{sum(ledger.faults.values()):,} faults of {len(ledger.faults)} sorts of {ledger.sorts}",
        held=held,
        left="; ".join(filter(None, found)),
        left_note=(
            f"descriptors {before.fds} before, {after.fds} after; threads {before.threads},"
            f" {after.threads}; upstream sockets {idle_before}, {idle_after}; then"
            f" {MAX_CHATS} streams at once at each provider"
        ),
    )


def _windows(
    lab: Lab, looks: dict[str, Look]
) -> tuple[Counter[str], Counter[str], dict[str, list[_Held]]]:
    """Load each process in turn, a warm-up and then windows of the same length.

    Returns:
        What was wrong with calls to ours, the first of them; their statuses but for the warm-up's;
        and what each held.
    """
    effort, ours = lab.effort, next(iter(looks))
    wrong, outcomes = Counter[str](), Counter[str]()
    held: dict[str, list[_Held]] = {name: [] for name in looks}
    window = effort.chaos_calls // effort.chaos_pairs
    for count in (effort.chaos_warm, *[window] * effort.chaos_pairs):
        ended_s = time.monotonic()
        for name, look in looks.items():
            last = _calls(lab, look.subject, count)
            if name == ours:
                ended_s = time.monotonic()
                wrong += Counter(last.wrong or {})
                said_by = Counter(last.outcomes or {})
                wrong["calls without a status"] += count - said_by.total()
                outcomes += said_by if held[name] else Counter()
        left_s = ended_s + _KEPT_S - time.monotonic()
        threading.Event().wait(max(0.0, left_s) if effort.settle_s else 0.0)
        for name, look in looks.items():
            held[name].append(_Held(look.in_use_bytes(), look.subject.usage().rss_bytes))
    return wrong, outcomes, held


def three_kinds(lab: Lab) -> dict[str, object]:
    """Return three providers, and twins that get the faults that block for minutes too."""
    makers = {"ollama": ollama, "openai": openai, "anthropic": anthropic}
    entries = {name: make(lab.upstream_url, timeout=_SILENCE_S) for name, make in makers.items()}
    twins = {
        f"{name}_doomed_{number}": make(f"{lab.upstream_url}/doomed/{number}", timeout=_SILENCE_S)
        for name, make in makers.items()
        for number in range(_TWINS)
    }
    return {
        "default_provider": _KINDS[0],
        "fallback_sequence": list(_KINDS[1:]),
        "providers": entries | twins,
    }


def _calls(lab: Lab, subject: Subject, count: int) -> Chaos:
    """Run calls; return the last report."""
    with lab.load.talk("chaos", target=subject.target, count=count) as talk:
        while True:
            report = talk.hear(Chaos)
            if report.outcomes is not None:
                return report


def _places(lab: Lab, subject: Subject) -> str:
    """Return which provider does not have all its places back; empty if all have."""
    for kind in _KINDS:
        lab.load.run(Recovered, "recover", target=subject.target, provider=kind)
        if wrong := slots(lab, subject, targets=kind):
            return f"{kind}: {wrong}"
    return ""
