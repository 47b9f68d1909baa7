"""Everybody comes while a breaker lets one call try."""

from tests.bench.door import Door
from tests.bench.failure import NotMeasuredError
from tests.bench.lab import Lab, ollama, openai
from tests.bench.load import HalfOpened
from tests.bench.row import Demand, Judged, Row

_CALLERS = 512


def half_open(lab: Lab) -> list[Row]:
    """Return the rows of requests that reached the upstream behind the half-open breaker."""
    return [_row(lab, door) for door in lab.switches.doors]


def _row(lab: Lab, door: Door) -> Row:
    runs: list[HalfOpened] = []
    failure = ""
    llm = {
        "default_provider": "ollama",
        "fallback_sequence": ["openai"],
        "providers": {"ollama": ollama(lab.upstream_url), "openai": openai(lab.upstream_url)},
    }
    for _ in range(lab.effort.passes):
        try:
            with lab.ours(door, llm) as subject:
                run = lab.load.run(
                    HalfOpened,
                    "halfopen",
                    target=subject.target,
                    upstream=lab.upstream_url,
                    callers=_CALLERS,
                )
        except NotMeasuredError as error:
            failure = str(error)
            break
        runs.append(run)
        if run.outcomes != {"OK": _CALLERS}:
            failure = f"outcomes {run.outcomes}"
        elif run.asked.get("ollama", 0) != 1:
            failure = f"{run.asked.get('ollama', 0)} requests reached it instead of 1"
    return Row(
        measure=f"{_CALLERS} callers while the breaker is half-open: requests to that upstream",
        door=door,
        unit="",
        ours=tuple(float(run.asked.get("ollama", 0)) for run in runs),
        judged=Judged.VALUE,
        demand=Demand(1),
        notes=tuple(
            f"answered by: {', '.join(f'{who} {n}' for who, n in sorted(run.answered.items()))}"
            for run in runs
        ),
        failure=failure,
    )
