"""What there is to measure, and in which order."""

import functools
from collections.abc import Callable

from tests.bench.lab import Lab
from tests.bench.measures import (
    cancel,
    chaos,
    drain,
    failover,
    first,
    frames,
    greedy,
    half_open,
    hostile,
    hour,
    idle,
    lines,
    memory,
    outage,
    processor,
    schemas,
    soak,
    start,
    works,
    worst_mix,
)
from tests.bench.row import Row

Measure = Callable[[Lab], list[Row]]

QUIET: dict[str, Measure] = {
    "unary": functools.partial(processor.compare, work=works.UNARY),
    "one-connection": functools.partial(processor.compare, work=works.TOGETHER),
    "bulk": functools.partial(processor.compare, work=works.BULK),
    "paced-200": functools.partial(processor.compare, work=works.PACED_200),
    "paced-20": functools.partial(processor.compare, work=works.PACED_20),
    "agent": functools.partial(processor.compare, work=works.AGENT),
    "paced-tools": functools.partial(processor.compare, work=works.PACED_TOOLS),
    "call": functools.partial(processor.compare, work=works.CALL),
    "first": first.first_token,
    "idle": idle.idle,
    "memory": memory.memory,
    "start": start.start,
    "cancel": cancel.cancel,
    "failover-refused": failover.refused,
    "hostile": hostile.hostile,
    "greedy": greedy.greedy,
    "frames": frames.frames,
    "lines": lines.lines,
    "schemas": schemas.schemas,
    "worst-mix": worst_mix.worst_mix,
}
"""Measures that judge a time or a size: one after the other, on a machine that does nothing else."""

LATER: dict[str, Measure] = {
    "half-open": half_open.half_open,
    "outage": outage.outage,
    "drain": drain.drain,
    "chaos": chaos.chaos,
    "soak": soak.soak,
}
"""Measures that count: after the others, some at a time, each door of each with an upstream of its own."""

CROWDS = {("half-open", "outage", "drain"): 6, ("chaos", "soak"): 3}
"""Which of them run at the same time, and how many: the first wait for most of theirs."""

BY_HAND: dict[str, Measure] = {
    "bare-relay": functools.partial(
        processor.peer,
        name="bare Python relay",
        opened=lambda lab: functools.partial(lab.floor, "relay"),
        works=(works.UNARY, works.PACED_200, works.PACED_20),
    ),
    "hour": hour.hour,
}
"""Measures that are no part of the whole."""
