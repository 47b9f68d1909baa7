"""One line of the table: a measure, its floor, ours, and what was demanded."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import NamedTuple

from tests.bench.door import Door


class Judged(StrEnum):
    """What is held against the demand."""

    RATIO = "ratio"  # ours through theirs, within each round; the median of the rounds
    ADDED = "added"  # ours less theirs, of the medians
    VALUE = "value"  # the median of ours
    NOTHING = "nothing"


class Demand(NamedTuple):
    """What has to be reached, and what is aimed at."""

    must: float | None = None
    aim: float | None = None


NONE = Demand()
"""Nothing is demanded: for comparison."""

Demands = Mapping[Door, Demand]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A measure with one figure per round."""

    measure: str
    unit: str
    door: str = ""  # of our server; empty where it makes no difference
    against: str = ""  # whose the other figures are
    floor: tuple[float, ...] = ()
    ours: tuple[float, ...] = ()
    judged: Judged = Judged.NOTHING
    demand: Demand = NONE
    notes: tuple[str, ...] = ()
    failure: str = ""  # why it could not be measured, or is wrong whatever its figure

    def score(self) -> float | None:
        """Return what is judged; None if a figure is missing."""
        if not self.ours or (self.judged in {Judged.RATIO, Judged.ADDED} and not self.floor):
            return None
        match self.judged:
            case Judged.RATIO:
                pairs = zip(self.ours, self.floor, strict=False)
                return median(ours / floor for ours, floor in pairs)
            case Judged.ADDED:
                return median(self.ours) - median(self.floor)
            case Judged.VALUE:
                return median(self.ours)
            case Judged.NOTHING:
                return None

    def verdict(self) -> str:
        """Return how the score stands to what must be reached and what is aimed at."""
        score, (must, aim) = self.score(), self.demand
        if self.failure:
            return "FAILED"
        if self.judged is Judged.NOTHING or (score is not None and must is None):
            return "for comparison"
        if score is None or must is None:
            return "not measured"
        if score > must:
            return "must MISSED"
        if aim is None:
            return "must met"
        return "aim met" if score <= aim else "must met, aim missed"


def said(counts: Mapping[str, int]) -> str:
    """Return counts by name in words, for a note."""
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
