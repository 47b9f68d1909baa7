"""Fair hosts beside one that calls without end, all in one queue."""

from statistics import fmean

from tests.bench.door import Door
from tests.bench.failure import NotMeasuredError
from tests.bench.lab import Lab, ollama
from tests.bench.load import Crowded
from tests.bench.row import Demand, Judged, Row, said

_HOSTS, _GREEDY = 6, 200


def greedy(lab: Lab) -> list[Row]:
    """Return the rows of fair callers' wait beside a greedy host, through one place."""
    return [_row(lab, door) for door in lab.switches.doors]


def _row(lab: Lab, door: Door) -> Row:
    runs: list[Crowded] = []
    failure = ""
    one_at_a_time = ollama(lab.upstream_url, max_in_flight_per_model=1)
    llm = {"default_provider": "ollama", "providers": {"ollama": one_at_a_time}}
    calls = lab.effort.fair_calls
    for _ in range(lab.effort.passes):
        try:
            with lab.ours(door, llm) as subject:
                run = lab.load.run(
                    Crowded,
                    "greedy",
                    target=subject.target,
                    hosts=_HOSTS,
                    calls=calls,
                    greedy=_GREEDY,
                )
        except NotMeasuredError as error:
            failure = str(error)
            break
        runs.append(run)
        if run.alone != run.beside or run.beside != {"OK": _HOSTS * calls}:
            failure = f"outcomes {run.alone} alone, {run.beside} beside"
    return Row(
        measure=f"{_HOSTS} fair hosts' wait for an answer beside a greedy one, mean",
        door=door,
        against="alone",
        unit="ms",
        floor=tuple(fmean(run.alone_ns) / 1e6 for run in runs),
        ours=tuple(fmean(run.beside_ns) / 1e6 for run in runs),
        judged=Judged.RATIO,
        demand=Demand(2),
        notes=tuple(
            f"longest {max(run.alone_ns) / 1e6:.0f} ms alone, {max(run.beside_ns) / 1e6:.0f}"
            f" beside; the greedy one got {said(run.greedy)}"
            for run in runs
        ),
        failure=failure,
    )
