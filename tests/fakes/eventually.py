"""Waiting for something to become so, with a bound."""

import asyncio
from collections.abc import Callable

PATIENCE_S = 30.0
"""Where a limit only ends a hang: far more than a busy machine makes of milliseconds."""

_PAUSE_S = 0.002


async def eventually(condition: Callable[[], bool], *, within_s: float = PATIENCE_S) -> None:
    """Return as soon as `condition` holds.

    Args:
        condition: Asked at once and then every few milliseconds, on the loop.
        within_s: Patience in seconds that the loop had: where the machine took some of them away,
            it still asks as often as it would have asked in these.

    Raises:
        AssertionError: It did not hold in time; the text names the bound.
    """
    loop = asyncio.get_running_loop()
    give_up_at_s = loop.time() + within_s
    asked = 0
    while not condition():
        asked += 1
        if loop.time() >= give_up_at_s and asked * _PAUSE_S >= within_s:
            raise AssertionError(f"still not so after {within_s} s")
        await asyncio.sleep(_PAUSE_S)
