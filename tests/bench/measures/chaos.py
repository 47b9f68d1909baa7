"""Very many calls while every provider fails at random."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.bench.door import Door
from tests.bench.failure import NotMeasuredError
from tests.bench.lab import MAX_CHATS, Lab, anthropic, ollama, openai
from tests.bench.load import Chaos, Recovered
from tests.bench.measures.remains import fifths, left_behind, settled, slope, slots
from tests.bench.procs import Subject
from tests.bench.row import Demand, Judged, Row, said

_KINDS = ("ollama", "openai", "anthropic")
BYTES_PER_CALL = 1.024  # 1 KiB per 1,000 calls
_SILENCE_S = 1
_TWINS = 7  # of each kind, as the load client knows
_SPARE = 2 * (1 + _TWINS)  # connections that questions about the Ollamas may keep open more


def chaos(lab: Lab) -> list[Row]:
    """Return the rows of statuses, of memory's slope and of what is left afterwards."""
    return [row for door in lab.switches.doors for row in _rows(lab, door)]


def _rows(lab: Lab, door: Door) -> list[Row]:
    count = lab.effort.chaos_calls
    title = f"{count:,} calls, random faults of three kinds of provider"
    try:
        with ThreadPoolExecutor() as pool, lab.ours(door, three_kinds(lab)) as subject:
            pending = pool.submit(_floor, lab)
            before, idle_before = subject.usage(), lab.ledger().connections
            _, first = _run(lab, subject, lab.effort.chaos_warm)
            warm = subject.usage()
            samples, last = _run(lab, subject, count)
            after, idle_after = settled(lab, subject, (before, idle_before), spare=_SPARE)
            ledger = lab.ledger()
            places = _places(lab, subject)
            floor = pending.result()
            crashes = subject.log.read_text(encoding="utf-8", errors="replace").count("Traceback")
    except NotMeasuredError as error:
        return [Row(measure=title, door=door, unit="", judged=Judged.VALUE, failure=str(error))]
    sockets = (idle_before, idle_after)
    left = left_behind((before, after), sockets, spare=_SPARE, chatted=ledger.chatted)
    left = left if lab.effort.settle_s else ""
    wrong = Counter(first.wrong or {}) + Counter(last.wrong or {})
    outcomes = last.outcomes or {}
    if lab.effort.settle_s and len(ledger.faults) < ledger.sorts:
        wrong["sorts of faults never drawn"] = ledger.sorts - len(ledger.faults)
    if crashes:
        wrong["stack traces in the log"] = crashes
    if sum(outcomes.values()) != count:
        wrong["calls without a status"] = count - sum(outcomes.values())
    return [
        Row(
            measure=f"{title}: calls without exactly one proper status",
            door=door,
            unit="",
            ours=(float(sum(wrong.values())),),
            judged=Judged.VALUE,
            demand=Demand(0),
            notes=(
                "statuses: " + said(outcomes),
                (
                    f"{sum(ledger.faults.values()):,} faults of {len(ledger.faults)} sorts"
                    f" of {ledger.sorts}"
                ),
            ),
            failure=", ".join(f"{n} x {what}" for what, n in sorted(wrong.items())),
        ),
        Row(
            measure=f"{title}: memory slope, bytes per call",
            door=door,
            against="bare service" if floor else "",
            unit="B",
            floor=floor,
            ours=(slope(samples),),
            judged=Judged.ADDED if lab.effort.settle_s else Judged.NOTHING,
            demand=Demand(BYTES_PER_CALL),
            notes=(
                (
                    f"resident {warm.rss_bytes / 2**20:.1f} MiB before,"
                    f" {after.rss_bytes / 2**20:.1f} after; MiB at each fifth: {fifths(samples)}"
                ),
            ),
        ),
        Row(
            measure=f"{title}: left behind (descriptors, threads, upstream sockets, slots)",
            door=door,
            unit="",
            ours=(float(bool(left or places)),),
            judged=Judged.VALUE,
            demand=Demand(0),
            notes=(
                (
                    f"descriptors {before.fds} before, {after.fds} after; threads {before.threads},"
                    f" {after.threads}; upstream sockets {idle_before}, {idle_after}; then"
                    f" {MAX_CHATS} streams at once at each provider"
                ),
            ),
            failure="; ".join(filter(None, (left, places))),
        ),
    ]


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


def _floor(lab: Lab) -> tuple[float, ...]:
    """Return the slope of a bare grpc.aio service under as many of the same calls."""
    if not lab.switches.with_floors:
        return ()
    with lab.floor("service") as subject:
        _run(lab, subject, lab.effort.chaos_warm)
        samples, _ = _run(lab, subject, lab.effort.chaos_calls)
        return (slope(samples),)


def _run(lab: Lab, subject: Subject, count: int) -> tuple[list[tuple[int, int]], Chaos]:
    """Run calls; return (calls over, resident bytes) of each second, and the last report."""
    samples = []
    with lab.load.talk("chaos", target=subject.target, count=count) as talk:
        while True:
            report = talk.hear(Chaos)
            samples.append((report.over, subject.usage().rss_bytes))
            if report.outcomes is not None:
                return samples, report


def _places(lab: Lab, subject: Subject) -> str:
    """Return which provider does not have all its places back; empty if all have."""
    for kind in _KINDS:
        lab.load.run(Recovered, "recover", target=subject.target, provider=kind)
        if wrong := slots(lab, subject, targets=kind):
            return f"{kind}: {wrong}"
    return ""
