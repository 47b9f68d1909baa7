"""How much later the first token comes through us."""

from dataclasses import dataclass, field
from math import ceil

from tests.bench.door import Door
from tests.bench.failure import NotMeasuredError
from tests.bench.lab import Lab
from tests.bench.load import First
from tests.bench.row import NONE, Demand, Demands, Judged, Row

_P50: Demands = {Door.IN_LOOP: Demand(1.1, 0.9), Door.AIO: Demand(1.4)}
_P99: Demands = {Door.IN_LOOP: Demand(2.2, 1.6), Door.AIO: Demand(3.0)}


@dataclass(slots=True, kw_only=True)
class _Runs:
    """Latencies in ms of one way to call: a list for each fresh process."""

    ms: list[list[float]] = field(default_factory=list)
    failure: str = ""

    def quantile(self, share: float) -> tuple[float, ...]:
        """Return the least value that at least this share of all calls do not exceed."""
        ordered = sorted(value for run in self.ms for value in run)
        return (ordered[ceil(share * len(ordered)) - 1],) if ordered else ()


def first_token(lab: Lab) -> list[Row]:
    """Return the rows of the first token on an idle machine, one call after the other.

    Every start of a server gives the same number of calls, its first one included; the direct
    calls are made in between, from a fresh process each time, whose own first one is left out. A
    compiled relay has its turn too, for comparison: milliseconds belong to their machine.
    """
    aiohttp, go, relay = _Runs(), _Runs(), _Runs()
    ours = {door: _Runs() for door in lab.switches.doors}
    for _ in range(lab.effort.starts):
        if lab.switches.with_floors:
            aiohttp.ms.append(_direct_aiohttp(lab)[1:])
            go.ms.append(_calls(lab, direct=lab.upstream_url)[1:])
            with lab.go_relay() as subject:
                relay.ms.append(_calls(lab, target=subject.target))
        for door, runs in ours.items():
            if not runs.failure:
                _add(lab, door, runs)
    return [row for door, runs in ours.items() for row in _rows(door, runs, aiohttp, go, relay)]


def _add(lab: Lab, door: Door, runs: _Runs) -> None:
    try:
        with lab.ours(door) as subject:
            runs.ms.append(_calls(lab, target=subject.target))
    except NotMeasuredError as error:
        runs.failure = str(error)


def _rows(door: Door, runs: _Runs, aiohttp: _Runs, go: _Runs, relay: _Runs) -> list[Row]:
    firsts = f"first calls after a start: {', '.join(f'{calls[0]:.1f}' for calls in runs.ms)} ms"
    return [
        Row(
            measure=measure,
            door=door,
            against="direct calls",
            unit="ms",
            floor=aiohttp.quantile(share),
            ours=runs.quantile(share),
            judged=Judged.ADDED,
            demand=demands.get(door, NONE),
            notes=(
                *more,
                *(f"direct from the load client: {ms:.2f} ms" for ms in go.quantile(share)),
                *(f"by the Go relay: {ms:.2f} ms" for ms in relay.quantile(share)),
            ),
            failure=runs.failure,
        )
        for measure, share, demands, more in (
            ("first token added, p50", 0.5, _P50, ()),
            ("first token added, p99, first calls after a start included", 0.99, _P99, (firsts,)),
        )
    ]


def _calls(lab: Lab, **where: str) -> list[float]:
    result = lab.load.run(First, "first", count=lab.effort.first_calls, **where)
    return [ns / 1e6 for ns in result.first_ns]


def _direct_aiohttp(lab: Lab) -> list[float]:
    result = lab.floor_output("upstream", "first", f"--count={lab.effort.first_calls}")
    return [ns / 1e6 for ns in result.first_ns]
