"""How many requests a call becomes while providers are out."""

from tests.bench.door import Door
from tests.bench.failure import NotMeasuredError
from tests.bench.lab import Lab, anthropic, ollama, openai
from tests.bench.load import Outlived
from tests.bench.row import Demand, Judged, Row, said

_RATE = 50
_MOST = 4  # generation requests for one RPC, docs/failover.md 4.4
_ALL = "ollama,openai,anthropic"
_ALL_OUT_SHARE = 1 / 3  # of the time: no breaker's state takes longer than a few probes


def outage(lab: Lab) -> list[Row]:
    """Return the rows of the primary alone out, and of all providers out."""
    span_s = lab.effort.outage_s
    kinds = (
        ("the primary is out", span_s, "ollama", "cut"),
        ("all providers are out", span_s * _ALL_OUT_SHARE, _ALL, "fail"),
    )
    return [_row(lab, door, *kind) for door in lab.switches.doors for kind in kinds]


def _row(lab: Lab, door: Door, what: str, span_s: float, out: str, how: str) -> Row:  # noqa: PLR0913, PLR0917  one kind of outage
    url = lab.upstream_url
    llm = {
        "default_provider": "ollama",
        "fallback_sequence": ["openai", "anthropic"],
        "providers": {"ollama": ollama(url), "openai": openai(url), "anthropic": anthropic(url)},
    }
    measure = f"{what} for {span_s:.0f} s under {_RATE} calls/s: requests to upstreams per RPC"
    try:
        with lab.ours(door, llm) as subject:
            run = lab.load.run(
                Outlived,
                "outage",
                target=subject.target,
                upstream=url,
                rate=_RATE,
                length=f"{span_s}s",
                out=out,
                how=how,
            )
    except NotMeasuredError as error:
        return Row(measure=measure, door=door, unit="", judged=Judged.VALUE, failure=str(error))
    failure = f"{run.most} requests for one RPC" if run.most > _MOST else ""
    if out != _ALL and run.outcomes != {"OK": run.rpcs}:
        failure = failure or f"outcomes {said(run.outcomes)}"
    return Row(
        measure=measure,
        door=door,
        unit="",
        ours=(sum(run.asked.values()) / run.rpcs,),
        judged=Judged.VALUE,
        demand=Demand(1.1),
        notes=(
            (
                f"{run.calls:,} calls, a fifth of them from a client that repeats a failed one up"
                f" to 19 times at once, were {run.rpcs:,} RPCs; statuses: {said(run.outcomes)}; requests: {said(run.asked)};"
                f" most for one RPC {run.most}"
            ),
        ),
        failure=failure,
    )
