"""What very many calls leave behind: memory, descriptors, threads, sockets, places."""

import threading
import time
from typing import NamedTuple

from tests.bench.lab import MAX_CHATS, Lab
from tests.bench.load import Held, Settled
from tests.bench.procs import Subject, Usage
from tests.bench.row import said

_TRIES = 3


def settled(
    lab: Lab, subject: Subject, start: tuple[Usage, int] | None, *, spare: int = 0
) -> tuple[Usage, int]:
    """Return what the process and its upstream hold, once idle connections were given up.

    With values of the start, as soon as those are reached, or nearly, if some are to `spare`, and
    no chat's connection is open any more; without, as soon as the upstream has but the connection
    left that health is asked over.
    """
    deadline_s = time.monotonic() + lab.effort.settle_s
    pause = threading.Event()
    while True:
        now, ledger = subject.usage(), lab.ledger()
        sockets = ledger.connections
        if start:
            counts = (start[0], now), (start[1], sockets)
            over = not left_behind(*counts, spare=spare, chatted=ledger.chatted)
        else:
            over = sockets <= 1
        if over or time.monotonic() > deadline_s:
            return now, sockets
        pause.wait(0.5)


def left_behind(
    usage: tuple[Usage, Usage], sockets: tuple[int, int], *, spare: int, chatted: int
) -> str:
    """Return what there is more of than before; empty if nothing is.

    Args:
        usage: Before and after.
        sockets: The upstream's, before and after.
        spare: How many more there may be.
        chatted: The upstream's sockets that a chat used last.
    """
    before, after = usage
    pairs = {
        "descriptors": (before.fds, after.fds),
        "threads": (before.threads, after.threads),
        "upstream sockets": sockets,
    }
    more = [f"{name} {a} -> {b}" for name, (a, b) in pairs.items() if b > a + spare]
    return "; ".join([*more, f"{chatted} connections of chats"] if chatted else more)


def slots(lab: Lab, subject: Subject, *, targets: str = "") -> str:
    """Return how many chats a server takes, if not exactly its slots; empty if it does.

    All slots are filled at once, then one more is asked for. If a stream ends meanwhile, as after a
    silence that a pause of this machine's makes, the one more may have its slot, and it is tried again.

    Args:
        lab: What to work with.
        subject: The server.
        targets: Whom to ask, comma-separated; empty for the server's own sequence.
    """
    tries = [_burst(lab, subject, targets)]
    while tries[-1].early and len(tries) < _TRIES:
        tries.append(_burst(lab, subject, targets))
    last = tries[-1]
    if not last.early and last.full == {"OK": MAX_CHATS} and not last.over.get("OK"):
        return ""
    return (
        f"slots: {said(last.full)} of {MAX_CHATS}, then {said(last.over)};"
        f" ended early: {said(last.early) or 'none'}"
    )


class _Burst(NamedTuple):
    """Statuses of the streams, of the one more, and of those that had not stood by then."""

    full: dict[str, int]
    over: dict[str, int]
    early: dict[str, int]


def _burst(lab: Lab, subject: Subject, targets: str) -> _Burst:
    flags = {"target": subject.target, "targets": targets, "within": "60s", "interval": "300ms"}
    flags |= {"spread": "3s", "settle": "500ms"}
    with lab.load.talk("hold", streams=MAX_CHATS, **flags) as all_slots:
        full = all_slots.hear(Settled).settled
        with lab.load.talk("hold", streams=1, **flags) as one_more:
            over = one_more.hear(Settled).settled
        return _Burst(full, over, all_slots.end(Held).early or {})


def fifths(samples: list[tuple[int, int]]) -> str:
    """Return resident MiB at each fifth of (calls over, resident bytes)."""
    marks = [samples[min(len(samples) * fifth // 5, len(samples) - 1)] for fifth in range(6)]
    return ", ".join(f"{rss_bytes / 2**20:.1f}" for _, rss_bytes in marks)


def slope(samples: list[tuple[int, int]]) -> float:
    """Return resident bytes per call: least squares over the last four fifths."""
    kept = samples[len(samples) // 5 :]
    mean_x = sum(x for x, _ in kept) / len(kept)
    mean_y = sum(y for _, y in kept) / len(kept)
    spread = sum((x - mean_x) ** 2 for x, _ in kept)
    return sum((x - mean_x) * (y - mean_y) for x, y in kept) / spread if spread else 0.0
