"""The loads under which processor time is measured, and what is demanded under each."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tests.bench.door import Door
from tests.bench.lab import ollama, openai
from tests.bench.row import Demand, Demands

Provider = Callable[[str], Mapping[str, object]]
"""Returns an entry of the configuration for a server at that URL."""


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
    provider: Provider = ollama  # behind ours
    flags: Mapping[str, object]
    rivals: Mapping[Rival, Demands]  # in turn with ours; without a demand for comparison
    upstream_job: str | None  # the floor's other half, run by tests.bench.floors.upstream
    per_s: float | None = None  # units a second, if the upstream sets the pace


_ROOMY = functools.partial(ollama, num_ctx=32_768)
"""An Ollama with room for tools and histories."""


def _on_both(must: float) -> Demands:
    """Return a demand that both doors have to keep."""
    return dict.fromkeys((Door.IN_LOOP, Door.AIO), Demand(must))


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

AGENT = Work(
    title="processor time per unary Chat with 20 tools and 100 messages, 8 callers",
    mode="unary",
    unit="calls",
    provider=_ROOMY,
    flags={"callers": 8, "tools": 20, "messages": 100},
    rivals={Rival.FLOOR: _on_both(2.6)},
    upstream_job="repost",
)
CALL = Work(
    title="processor time per piece of a tool call, 64 KiB of arguments in 1,000 pieces, 8 streams",
    mode="streams",
    unit="tokens",
    provider=openai,
    flags={"mode": "call", "streams": 8, "tokens": 1000, "tools": 20},
    rivals={Rival.FLOOR: _on_both(0.6)},
    upstream_job=None,
)


def _paced(
    streams: int,
    rivals: Mapping[Rival, Demands],
    more: str = "",
    provider: Provider = ollama,
    **flags: object,
) -> Work:
    """Return the work of streams at 50 tokens/s each."""
    paced = {"mode": "paced", "streams": streams, "tokens": 1_000_000, "interval": "20ms"}
    return Work(
        title=f"processor time per token, {streams} streams at 50 tokens/s each{more}",
        mode="streams",
        unit="tokens",
        provider=provider,
        flags=paced | flags,
        rivals=rivals,
        upstream_job="read",
        per_s=streams * 50,
    )


PACED_200 = _paced(
    200,
    {
        Rival.GO: {Door.IN_LOOP: Demand(1.2, 1.0), Door.AIO: Demand(1.4)},
        Rival.FLOOR: {Door.IN_LOOP: Demand(1.3, 1.0), Door.AIO: Demand(1.3, 1.0)},
        Rival.PHYSICAL: {},
    },
)
PACED_20 = _paced(
    20,
    {
        Rival.GO: {Door.IN_LOOP: Demand(0.95, 0.85), Door.AIO: Demand(1.3)},
        Rival.FLOOR: {Door.IN_LOOP: Demand(1.3, 0.8), Door.AIO: Demand(1.3, 0.8)},
        Rival.PHYSICAL: {},
    },
)
PACED_TOOLS = _paced(
    200, {Rival.FLOOR: _on_both(1.3)}, ", with 20 tools", provider=_ROOMY, tools=20
)
