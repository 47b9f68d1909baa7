"""How much later the first token comes through us."""

from dataclasses import dataclass, field
from math import ceil

from tests.bench.failure import NotMeasuredError
from tests.bench.lab import Lab
from tests.bench.load import First
from tests.bench.row import Judged, Row


@dataclass(slots=True, kw_only=True)
class _Runs:
    """Latencies in ms of one way to call: a list for each fresh process."""

    ours: list[list[float]] = field(default_factory=list)
    aiohttp: list[list[float]] = field(default_factory=list)
    go: list[list[float]] = field(default_factory=list)
    failure: str = ""


def first_token(lab: Lab) -> list[Row]:
    """Return the rows of the first token on an idle machine, one call after the other.

    Every start of the server gives the same number of calls, its first one included; the direct
    calls are made in between, from a fresh process each time, whose own first one is left out.
    """
    runs = _Runs()
    for _ in range(lab.effort.starts):
        if lab.switches.with_floors:
            runs.aiohttp.append(_direct_aiohttp(lab)[1:])
            runs.go.append(_calls(lab, direct=lab.upstream_url)[1:])
        if lab.switches.with_ours and not runs.failure:
            try:
                with lab.ours() as subject:
                    runs.ours.append(_calls(lab, target=subject.target))
            except NotMeasuredError as error:
                runs.failure = str(error)
    firsts = f"first calls after a start: {', '.join(f'{calls[0]:.1f}' for calls in runs.ours)} ms"
    return [
        _row(runs, "first token added, p50", share=0.5, must=1),
        _row(
            runs,
            "first token added, p99, first calls after a start included",
            share=0.99,
            must=3,
            notes=(firsts,) if runs.ours else (),
        ),
    ]


def _row(
    runs: _Runs, measure: str, *, share: float, must: float, notes: tuple[str, ...] = ()
) -> Row:
    if runs.go:
        notes += (f"direct from the load client: {_quantile(runs.go, share):.2f} ms",)
    return Row(
        measure=measure,
        unit="ms",
        floor=(_quantile(runs.aiohttp, share),) if runs.aiohttp else (),
        ours=(_quantile(runs.ours, share),) if runs.ours else (),
        judged=Judged.ADDED,
        must=must,
        notes=notes,
        failure=runs.failure,
    )


def _calls(lab: Lab, **where: str) -> list[float]:
    result = lab.load.run(First, "first", count=lab.effort.first_calls, **where)
    return [ns / 1e6 for ns in result.first_ns]


def _direct_aiohttp(lab: Lab) -> list[float]:
    result = lab.floor_output("upstream", "first", f"--count={lab.effort.first_calls}")
    return [ns / 1e6 for ns in result.first_ns]


def _quantile(runs: list[list[float]], share: float) -> float:
    """Return the least value that at least this share of all calls do not exceed."""
    ordered = sorted(value for run in runs for value in run)
    return ordered[ceil(share * len(ordered)) - 1]
