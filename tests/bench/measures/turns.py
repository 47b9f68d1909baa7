"""Windows of several processes, in turn: what else the machine does hits all of them alike."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.bench.effort import Effort
from tests.bench.failure import NotMeasuredError


class Window(NamedTuple):
    """How long to load, and how long of that to measure."""

    warm_s: float
    span_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One window of one process."""

    us: float  # processor time per unit
    others: float  # cores that other processes used meanwhile
    per_message: float  # units per message on the wire; 0 if nobody counted
    wrong: str


Take = Callable[[Window], Sample]
Opener = Callable[[], contextlib.AbstractContextManager[Take]]


@dataclass(slots=True, kw_only=True)
class Taken:
    """What one process came to."""

    samples: list[Sample] = field(default_factory=list)
    failure: str = ""

    @property
    def wrong(self) -> str:
        """Why its figures say nothing; empty if they do."""
        return self.failure or next((one.wrong for one in self.samples if one.wrong), "")

    @property
    def us(self) -> tuple[float, ...]:
        """Processor time per unit, of each round."""
        return tuple(sample.us for sample in self.samples)

    @contextlib.contextmanager
    def surviving(self) -> Iterator[None]:
        """Let a failure cost this process its figures, and the others nothing."""
        try:
            yield
        except NotMeasuredError as error:
            self.failure = str(error)


def take_turns(effort: Effort, openers: Mapping[str, Opener]) -> dict[str, Taken]:
    """Return what each process came to, all of them running side by side, one loaded at a time."""
    taken = {name: Taken() for name in openers}
    for _ in range(effort.passes):
        with contextlib.ExitStack() as stack:
            takes = {}
            for name, opener in openers.items():
                with taken[name].surviving():
                    takes[name] = stack.enter_context(opener())
            for _ in range(effort.rounds):
                for name, take in takes.items():
                    with taken[name].surviving():
                        taken[name].samples.append(take(Window(effort.warm_s, effort.span_s)))
    return taken
