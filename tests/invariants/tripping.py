"""Opening a breaker on purpose, quickly."""

from llmsvc_server.reports import BreakerState as State
from llmsvc_server.upstreams.breaker import STREAK
from tests.fakes.running_service import RunningService
from tests.invariants.several import breakers
from tests.invariants.turns import NONSENSE
from tests.scenarios.stage import Stage, Way
from tests.scenarios.steps import Cut, Turn, answer

PROTOCOL_FAULT: Turn = [NONSENSE, Cut()]
"""Counts, and is not repeated at the same candidate."""

BEYOND_OPEN_S = 12.0
"""More than a breaker that a fast failure opened stays so."""


def state_of(stage: Stage) -> State:
    """Return the state of the breaker of the primary's model."""
    return breakers(stage.service)[f"primary/{stage.primary.model}"]


async def trip(stage: Stage, turn: Turn = PROTOCOL_FAULT) -> None:
    """Have the primary fail with `turn` until its breaker opens; then it is well again."""
    stage.primary.always(turn)
    for _ in range(STREAK):
        await stage.ask(Way.CHAT)
    stage.primary.always(answer())

    assert State.OPEN is state_of(stage)


def opened(service: RunningService) -> set[str]:
    """Return the breakers that are not closed."""
    return {name for name, state in breakers(service).items() if state is not State.CLOSED}
