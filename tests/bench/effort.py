"""How long and how often to measure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """One size of the whole run. What comes before a window is thrown away."""

    passes: int  # each with fresh processes
    rounds: int  # windows of each process; all have their turn in each round
    first_warm_s: float  # of a fresh process
    warm_s: float
    span_s: float
    spread_s: float  # over which starts of streams are spread
    starts: int
    first_calls: int  # after each start
    idle_s: float
    cancels: int
    drained: int  # streams that run when the server is told to stop
    soak_streams: int
    soak_warm: int  # streams before the starting values are taken
    settle_s: float  # patience for idle connections to be closed; 0 judges no soak
    failovers: int  # of each kind, per pass
    fair_calls: int  # of each host, alone and beside a greedy one
    outage_s: float
    chaos_calls: int  # in so many windows as there are pairs
    chaos_pairs: int
    chaos_warm: int  # calls before the starting values are taken


FULL = Effort(
    passes=2,
    rounds=3,
    first_warm_s=1.2,
    warm_s=0.6,
    span_s=2,
    spread_s=0.6,
    starts=6,
    first_calls=50,
    idle_s=60,
    cancels=1000,
    drained=200,
    soak_streams=100_000,
    soak_warm=5000,
    settle_s=35,
    failovers=100,
    fair_calls=20,
    outage_s=60,
    chaos_calls=200_000,
    chaos_pairs=5,
    chaos_warm=10_000,
)
QUICK = Effort(
    passes=1,
    rounds=1,
    first_warm_s=0.5,
    warm_s=0.3,
    span_s=1,
    spread_s=0.5,
    starts=2,
    first_calls=30,
    idle_s=5,
    cancels=200,
    drained=50,
    soak_streams=2000,
    soak_warm=500,
    settle_s=0,
    failovers=30,
    fair_calls=5,
    outage_s=10,
    chaos_calls=5000,
    chaos_pairs=2,
    chaos_warm=1000,
)
