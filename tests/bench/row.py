"""One line of the table: a measure, its floor, ours, and what was demanded."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean


class Judged(StrEnum):
    """What is held against the demand."""

    RATIO = "ratio"  # ours through floor
    ADDED = "added"  # ours less floor
    VALUE = "value"  # ours
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A measure with one figure per pass."""

    measure: str
    unit: str
    floor: tuple[float, ...] = ()
    ours: tuple[float, ...] = ()
    judged: Judged = Judged.NOTHING
    must: float | None = None
    aim: float | None = None
    notes: tuple[str, ...] = ()
    failure: str = ""  # why it could not be measured, or is wrong whatever its figure

    def score(self) -> float | None:
        """Return what is judged; None if a figure is missing."""
        if not self.ours or (self.judged in {Judged.RATIO, Judged.ADDED} and not self.floor):
            return None
        match self.judged:
            case Judged.RATIO:
                return fmean(self.ours) / fmean(self.floor)
            case Judged.ADDED:
                return fmean(self.ours) - fmean(self.floor)
            case Judged.VALUE:
                return fmean(self.ours)
            case Judged.NOTHING:
                return None

    def verdict(self) -> str:
        """Return how the score stands to what must be reached and what is aimed at."""
        score = self.score()
        if self.failure:
            return "FAILED"
        if self.judged is Judged.NOTHING:
            return "for comparison"
        if score is None or self.must is None:
            return "not measured"
        if self.aim is not None and score <= self.aim:
            return "aim met"
        return "met" if score <= self.must else "MISSED"


def said(counts: Mapping[str, int]) -> str:
    """Return counts by name in words, for a note."""
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
