"""Waiting for something to become so, with a bound."""

import asyncio
from collections.abc import Callable

_PAUSE_S = 0.002


async def eventually(condition: Callable[[], bool], *, within_s: float = 5.0) -> None:
    """Return as soon as `condition` holds.

    Args:
        condition: Asked at once and then every few milliseconds, on the loop.
        within_s: Patience in seconds.

    Raises:
        AssertionError: It did not hold in time; the text names the bound.
    """
    loop = asyncio.get_running_loop()
    give_up_at_s = loop.time() + within_s
    while not condition():
        if loop.time() >= give_up_at_s:
            raise AssertionError(f"still not so after {within_s} s")
        await asyncio.sleep(_PAUSE_S)
