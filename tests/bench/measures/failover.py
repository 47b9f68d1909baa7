"""What it costs that the first upstream is not there."""

from statistics import median

from tests.bench.door import Door
from tests.bench.failure import NotMeasuredError
from tests.bench.lab import Lab, ollama, openai
from tests.bench.load import FailedOver
from tests.bench.row import Demand, Judged, Row


def refused(lab: Lab) -> list[Row]:
    """Return the rows of refused connections and of an open breaker.

    One server has both providers; the floor are calls to the fallback alone, made in between.
    """
    return [row for door in lab.switches.doors for row in _rows(lab, door)]


def _rows(lab: Lab, door: Door) -> list[Row]:
    runs: list[FailedOver] = []
    failure = ""
    try:
        runs = [_run(lab, door) for _ in range(lab.effort.passes)]
    except NotMeasuredError as error:
        failure = str(error)
    return [
        Row(
            measure=f"failover added, first upstream {what}, p50",
            door=door,
            against="fallback alone",
            unit="ms",
            floor=tuple(median(floor) / 1e6 for floor, _ in figures),
            ours=tuple(median(ours) / 1e6 for _, ours in figures),
            judged=Judged.ADDED,
            demand=demand,
            notes=tuple(
                f"p99 {_p99_ms(ours):.1f} ms, of the fallback alone {_p99_ms(floor):.1f} ms"
                for floor, ours in figures
            ),
            failure=failure,
        )
        for what, demand, figures in (
            ("refuses connections", Demand(5), [(run.alone_ns, run.refused_ns) for run in runs]),
            (
                "behind an open breaker",
                Demand(1),
                [(run.alone_again_ns, run.open_ns) for run in runs],
            ),
        )
    ]


def _run(lab: Lab, door: Door) -> FailedOver:
    llm = {
        "default_provider": "ollama",
        "fallback_sequence": ["openai"],
        "providers": {"ollama": ollama(lab.gate_url), "openai": openai(lab.upstream_url)},
    }
    with lab.ours(door, llm) as subject:
        return lab.load.run(
            FailedOver,
            "failover",
            target=subject.target,
            upstream=lab.upstream_url,
            count=lab.effort.failovers,
        )


def _p99_ms(values_ns: list[int]) -> float:
    return sorted(values_ns)[len(values_ns) * 99 // 100] / 1e6
