"""Very many streams: does anything stay behind."""

import threading
import time

from tests.bench.failure import NotMeasuredError
from tests.bench.lab import MAX_CHATS, Lab
from tests.bench.load import Settled, Soaked
from tests.bench.procs import Subject, Usage
from tests.bench.row import Judged, Row

_SLOPE_BYTES = 30  # per stream: 3 MB over the whole run, about what RSS wavers by


def soak(lab: Lab) -> list[Row]:
    """Return the rows of memory's slope and of what is left afterwards."""
    if not lab.switches.with_ours:
        return []
    count = lab.effort.soak_streams
    title = f"{count:,} streams, 30 % cancelled"
    try:
        with lab.ours() as subject:
            _soak(lab, subject, lab.effort.soak_warm)
            before, idle_before = _settled(lab, subject, None)
            samples, last = _soak(lab, subject, count)
            after, idle_after = _settled(lab, subject, (before, idle_before))
            full, over = _burst(lab, subject)
    except NotMeasuredError as error:
        return [Row(measure=title, unit="", judged=Judged.VALUE, failure=str(error))]
    judged = Judged.VALUE if lab.effort.settle_s else Judged.NOTHING
    left = _left_behind(before, after, idle_before, idle_after)
    if full != {"OK": MAX_CHATS} or over.get("OK"):
        left = left or f"slots: {full} of {MAX_CHATS}, then {over}"
    return [
        Row(
            measure=f"{title}: memory slope, bytes per stream",
            unit="B",
            ours=(_slope(samples),),
            judged=judged,
            must=_SLOPE_BYTES,
            notes=(
                (
                    f"resident {before.rss_bytes / 2**20:.0f} MiB before,"
                    f" {after.rss_bytes / 2**20:.0f} after;"
                    f" {last.cancelled:,} cancelled;"
                    f" MiB at each fifth: {_fifths(samples)}"
                ),
            ),
            failure=_unexpected(last),
        ),
        Row(
            measure=f"{title}: left behind (descriptors, threads, upstream sockets, slots)",
            unit="",
            ours=(0.0 if not left else 1.0,),
            judged=judged,
            must=0,
            notes=(
                (
                    f"descriptors {before.fds} before, {after.fds} after;"
                    f" threads {before.threads}, {after.threads};"
                    f" upstream sockets {idle_before}, {idle_after};"
                    f" then {full.get('OK', 0)} streams at once, one more: {', '.join(over)}"
                ),
            ),
            failure=left if judged is Judged.VALUE else "",
        ),
    ]


def _soak(lab: Lab, subject: Subject, count: int) -> tuple[list[tuple[int, int]], Soaked]:
    """Run streams; return (streams over, resident bytes) of each second, and the last report."""
    samples = []
    with lab.load.talk("soak", target=subject.target, count=count) as talk:
        while True:
            report = talk.hear(Soaked)
            samples.append((report.over, subject.usage().rss_bytes))
            if report.outcomes is not None:
                return samples, report


def _unexpected(last: Soaked) -> str:
    """Return what is wrong with the outcomes; cancelled streams could not have ended before."""
    expected = {"OK": last.over - last.cancelled, "Canceled": last.cancelled}
    return "" if last.outcomes == expected else f"{last.outcomes} instead of {expected}"


def _settled(lab: Lab, subject: Subject, start: tuple[Usage, int] | None) -> tuple[Usage, int]:
    """Return what the process and its upstream hold, once idle connections were given up.

    With values of the start, as soon as those are reached; without, as soon as the upstream has
    but the connection left that health is asked over.
    """
    deadline_s = time.monotonic() + lab.effort.settle_s
    pause = threading.Event()
    while True:
        now, sockets = subject.usage(), lab.ledger().connections
        settled = not _left_behind(start[0], now, start[1], sockets) if start else sockets <= 1
        if settled:
            return now, sockets
        if time.monotonic() > deadline_s:
            return now, sockets
        pause.wait(0.5)


def _left_behind(before: Usage, after: Usage, sockets_before: int, sockets_after: int) -> str:
    pairs = {
        "descriptors": (before.fds, after.fds),
        "threads": (before.threads, after.threads),
        "upstream sockets": (sockets_before, sockets_after),
    }
    return "; ".join(f"{name} {a} -> {b}" for name, (a, b) in pairs.items() if b > a)


def _burst(lab: Lab, subject: Subject) -> tuple[dict[str, int], dict[str, int]]:
    """Fill every slot at once, then ask for one more; return both outcomes."""
    with lab.load.talk("hold", target=subject.target, streams=MAX_CHATS) as all_slots:
        full = all_slots.hear(Settled).settled
        with lab.load.talk("hold", target=subject.target, streams=1) as one_more:
            return full, one_more.hear(Settled).settled


def _fifths(samples: list[tuple[int, int]]) -> str:
    marks = [samples[min(len(samples) * fifth // 5, len(samples) - 1)] for fifth in range(6)]
    return ", ".join(f"{rss_bytes / 2**20:.1f}" for _, rss_bytes in marks)


def _slope(samples: list[tuple[int, int]]) -> float:
    """Return resident bytes per stream: least squares over the last four fifths."""
    kept = samples[len(samples) // 5 :]
    mean_x = sum(x for x, _ in kept) / len(kept)
    mean_y = sum(y for _, y in kept) / len(kept)
    spread = sum((x - mean_x) ** 2 for x, _ in kept)
    return sum((x - mean_x) * (y - mean_y) for x, y in kept) / spread if spread else 0.0
