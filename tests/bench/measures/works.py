"""The loads under which processor time is measured, and what is demanded under each."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tests.bench.door import Door
from tests.bench.row import Demand, Demands


class Rival(StrEnum):
    """Whose processor time ours is held against."""

    FLOOR = "floor"
    PHYSICAL = "physical floor"
    GO = "Go relay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One kind of load."""

    title: str
    mode: str  # of the load client
    unit: str  # calls or tokens
    flags: Mapping[str, object]
    rivals: Mapping[Rival, Demands]  # in turn with ours; without a demand for comparison
    upstream_job: str | None  # the floor's other half, run by tests.bench.floors.upstream
    per_s: float | None = None  # units a second, if the upstream sets the pace


UNARY = Work(
    title="processor time per unary Chat, 8 callers",
    mode="unary",
    unit="calls",
    flags={"callers": 8},
    rivals={
        Rival.FLOOR: {Door.IN_LOOP: Demand(1.2, 0.95), Door.AIO: Demand(2.6, 2.0)},
        Rival.GO: {Door.IN_LOOP: Demand(3.0, 2.5), Door.AIO: Demand(5.5)},
        Rival.PHYSICAL: {},
    },
    upstream_job="post",
)
TOGETHER = Work(
    title="processor time per unary Chat, 200 callers on one connection",
    mode="unary",
    unit="calls",
    flags={"callers": 200, "together": True},
    rivals={Rival.FLOOR: {Door.IN_LOOP: Demand(1.2, 0.95), Door.AIO: Demand(2.6, 2.0)}},
    upstream_job="post",
)
BULK = Work(
    title="processor time per token, 8 streams of 200 tokens, upstream faster than us",
    mode="streams",
    unit="tokens",
    flags={"mode": "bulk", "streams": 8, "tokens": 200},
    rivals={Rival.FLOOR: {Door.IN_LOOP: Demand(0.29, 0.25), Door.AIO: Demand(0.29)}},
    upstream_job=None,
)


def _paced(streams: int, floor: Demands, go: Demands) -> Work:
    """Return the work of streams at 50 tokens/s each."""
    return Work(
        title=f"processor time per token, {streams} streams at 50 tokens/s each",
        mode="streams",
        unit="tokens",
        flags={"mode": "paced", "streams": streams, "tokens": 1_000_000, "interval": "20ms"},
        rivals={Rival.GO: go, Rival.FLOOR: floor, Rival.PHYSICAL: {}},
        upstream_job="read",
        per_s=streams * 50,
    )


PACED_200 = _paced(
    200,
    floor={Door.IN_LOOP: Demand(1.3, 1.0), Door.AIO: Demand(1.3, 1.0)},
    go={Door.IN_LOOP: Demand(1.2, 1.0), Door.AIO: Demand(1.4)},
)
PACED_20 = _paced(
    20,
    floor={Door.IN_LOOP: Demand(1.3, 0.8), Door.AIO: Demand(1.3, 0.8)},
    go={Door.IN_LOOP: Demand(0.95, 0.85), Door.AIO: Demand(1.3)},
)
