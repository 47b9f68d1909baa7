"""How long something took, less what a busy machine took away meanwhile."""

import asyncio
from typing import Self

_TICK_S = 0.001
_MOST_S = 0.005
"""What counts at most between two ticks: the loop did not run for the rest of it."""


class Stopwatch:
    """Counts the seconds that the running loop had, inside `with`.

    For upper bounds: whoever runs on this loop needs no more of them because it was stopped.
    """

    def __init__(self) -> None:
        """Stand at 0 s."""
        self._loop = asyncio.get_running_loop()
        self._passed_s = 0.0
        self._looked_s = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        """Begin to count."""
        self._tick()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._look()
        if self._timer is not None:
            self._timer.cancel()

    @property
    def passed_s(self) -> float:
        """How much was counted."""
        return self._passed_s

    def _look(self) -> None:
        now_s = self._loop.time()
        self._passed_s += min(now_s - self._looked_s, _MOST_S)
        self._looked_s = now_s

    def _tick(self) -> None:
        self._look()
        self._timer = self._loop.call_later(_TICK_S, self._tick)
