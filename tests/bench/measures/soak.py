"""Very many streams: does anything stay behind."""

from tests.bench.door import Door
from tests.bench.failure import NotMeasuredError
from tests.bench.lab import MAX_CHATS, Lab
from tests.bench.load import Soaked
from tests.bench.measures.remains import fifths, left_behind, settled, slope, slots
from tests.bench.procs import Subject
from tests.bench.row import Demand, Judged, Row

_SLOPE_BYTES = 30  # per stream: 3 MB over the whole run, about what RSS wavers by
_SPARE = 8  # connections that questions about the Ollama keep open more: aiohttp takes the oldest


def soak(lab: Lab) -> list[Row]:
    """Return the rows of memory's slope and of what is left afterwards."""
    return [row for door in lab.switches.doors for row in _rows(lab, door)]


def _rows(lab: Lab, door: Door) -> list[Row]:
    count = lab.effort.soak_streams
    title = f"{count:,} streams, 30 % cancelled"
    try:
        with lab.ours(door) as subject:
            _soak(lab, subject, lab.effort.soak_warm)
            before, idle_before = settled(lab, subject, None)
            samples, last = _soak(lab, subject, count)
            after, idle_after = settled(lab, subject, (before, idle_before), spare=_SPARE)
            chatted = lab.ledger().chatted
            places = slots(lab, subject)
        floor = _floor(lab)
    except NotMeasuredError as error:
        return [Row(measure=title, door=door, unit="", judged=Judged.VALUE, failure=str(error))]
    is_judged = bool(lab.effort.settle_s)
    sockets = (idle_before, idle_after)
    left = left_behind((before, after), sockets, spare=_SPARE, chatted=chatted)
    left = left or places
    return [
        Row(
            measure=f"{title}: memory slope, bytes per stream",
            door=door,
            against="bare relay" if floor else "",
            unit="B",
            floor=floor,
            ours=(slope(samples),),
            judged=Judged.ADDED if is_judged else Judged.NOTHING,
            demand=Demand(_SLOPE_BYTES),
            notes=(
                (
                    f"resident {before.rss_bytes / 2**20:.0f} MiB before,"
                    f" {after.rss_bytes / 2**20:.0f} after;"
                    f" {last.cancelled:,} cancelled;"
                    f" MiB at each fifth: {fifths(samples)}"
                ),
            ),
            failure=_unexpected(last),
        ),
        Row(
            measure=f"{title}: left behind (descriptors, threads, upstream sockets, slots)",
            door=door,
            unit="",
            ours=(0.0 if not left else 1.0,),
            judged=Judged.VALUE if is_judged else Judged.NOTHING,
            demand=Demand(0),
            notes=(
                (
                    f"descriptors {before.fds} before, {after.fds} after;"
                    f" threads {before.threads}, {after.threads};"
                    f" upstream sockets {idle_before}, {idle_after};"
                    f" then {MAX_CHATS} streams at once, and one more"
                ),
            ),
            failure=left if is_judged else "",
        ),
    ]


def _floor(lab: Lab) -> tuple[float, ...]:
    """Return the slope of a bare relay under as many of the same streams.

    grpcio's heap grows where a write fails because its caller has just left.
    """
    if not lab.switches.with_floors:
        return ()
    with lab.floor("relay") as subject:
        _soak(lab, subject, lab.effort.soak_warm)
        samples, _ = _soak(lab, subject, lab.effort.soak_streams)
    return (slope(samples),)


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
