"""Random sources that a test can foresee."""

import random

from typing_extensions import override


class _Steady(random.Random):
    """Gives the middle of every range, and the first of equals."""

    @override
    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


class _NoPause(random.Random):
    """Gives the least of every range."""

    @override
    def uniform(self, a: float, b: float) -> float:
        return a


STEADY = _Steady(1)
NO_PAUSE = _NoPause(1)
