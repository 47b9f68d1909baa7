"""Random sources that a test can foresee, whatever was drawn from them before."""

import random
from collections.abc import Sequence
from typing import TypeVar

from typing_extensions import override

T = TypeVar("T")


class _First(random.Random):
    """Gives the first of equals."""

    @override
    def choice(self, seq: Sequence[T]) -> T:  # type: ignore[override]  # its own takes any indexable
        return seq[0]


class _Steady(_First):
    """Gives the middle of every range."""

    @override
    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


class _NoPause(_First):
    """Gives the least of every range."""

    @override
    def uniform(self, a: float, b: float) -> float:
        return a


STEADY = _Steady(1)
NO_PAUSE = _NoPause(1)
