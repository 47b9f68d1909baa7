"""How long and how often to measure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """One size of the whole run. What comes before a window is thrown away."""

    passes: int  # figures of each measure, each from fresh processes
    warm_s: float
    span_s: float
    spread_s: float  # over which starts of streams are spread
    tries: int  # windows until one is quiet
    starts: int
    first_calls: int  # after each start
    cancels: int
    soak_streams: int
    soak_warm: int  # streams before the starting values are taken
    settle_s: float  # patience for idle connections to be closed; 0 judges no soak


FULL = Effort(
    passes=2,
    warm_s=3,
    span_s=8,
    spread_s=2,
    tries=2,
    starts=10,
    first_calls=50,
    cancels=2000,
    soak_streams=100_000,
    soak_warm=5000,
    settle_s=25,
)
QUICK = Effort(
    passes=1,
    warm_s=0.5,
    span_s=1,
    spread_s=0.5,
    tries=1,
    starts=2,
    first_calls=30,
    cancels=200,
    soak_streams=2000,
    soak_warm=500,
    settle_s=0,
)
