"""What it costs that the first upstream is not there."""

from statistics import median

from tests.bench.failure import NotMeasuredError
from tests.bench.lab import Lab, ollama, openai
from tests.bench.load import FailedOver
from tests.bench.row import Judged, Row


def refused(lab: Lab) -> list[Row]:
    """Return the rows of refused connections and of an open breaker.

    One server has both providers; the floor are calls to the fallback alone, made in between.
    """
    runs: list[FailedOver] = []
    failure = ""
    llm = {
        "default_provider": "ollama",
        "fallback_sequence": ["openai"],
        "providers": {"ollama": ollama(lab.gate_url), "openai": openai(lab.upstream_url)},
    }
    for _ in range(lab.effort.passes if lab.switches.with_ours else 0):
        try:
            with lab.ours(llm) as subject:
                runs.append(
                    lab.load.run(
                        FailedOver,
                        "failover",
                        target=subject.target,
                        upstream=lab.upstream_url,
                        count=lab.effort.failovers,
                    )
                )
        except NotMeasuredError as error:
            failure = str(error)
            break
    return [
        Row(
            measure=f"failover added, first upstream {what}, p50",
            unit="ms",
            floor=tuple(median(floor) / 1e6 for floor, _ in figures),
            ours=tuple(median(ours) / 1e6 for _, ours in figures),
            judged=Judged.ADDED,
            must=must,
            notes=tuple(
                f"p99 {_p99_ms(ours):.1f} ms, of the fallback alone {_p99_ms(floor):.1f} ms"
                for floor, ours in figures
            ),
            failure=failure,
        )
        for what, must, figures in (
            ("refuses connections", 5, [(run.alone_ns, run.refused_ns) for run in runs]),
            ("behind an open breaker", 1, [(run.alone_again_ns, run.open_ns) for run in runs]),
        )
    ]


def _p99_ms(values_ns: list[int]) -> float:
    return sorted(values_ns)[len(values_ns) * 99 // 100] / 1e6
