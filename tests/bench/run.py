"""One run of what was asked for."""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.build import Programs
from tests.bench.door import Door
from tests.bench.effort import Effort
from tests.bench.failure import NotMeasuredError
from tests.bench.lab import Lab, Switches, upstream_running
from tests.bench.plan import BY_HAND, CROWDS, LATER, QUIET, Measure
from tests.bench.report import line
from tests.bench.row import Judged, Row


@dataclass(slots=True, kw_only=True)
class Run:
    """Measures what has a name in `names`, first what needs a quiet machine."""

    programs: Programs
    effort: Effort
    switches: Switches
    names: tuple[str, ...]
    say: Callable[[str], None]
    _quiet_s: float = 0
    _all_s: float = 0

    def rows(self) -> list[Row]:
        """Return all rows, in the order of the plan."""
        begun_s = time.monotonic()
        rows: list[Row] = []
        with self._lab(self.switches) as lab:
            for name, measure in QUIET.items():
                if name in self.names:
                    rows += self._taken(name, measure, lab)
        self._quiet_s = time.monotonic() - begun_s
        self.say(f"the quiet part is over after {self._quiet_s:.0f} s")
        for crowd, at_once in CROWDS.items():
            rows += self._crowd([name for name in crowd if name in self.names], at_once)
        with self._lab(self.switches) as lab:
            for name, measure in BY_HAND.items():
                if name in self.names:
                    rows += self._taken(name, measure, lab)
        self._all_s = time.monotonic() - begun_s
        return rows

    def lasted(self) -> str:
        """Return how long it took, in words."""
        return (
            f"it took {self._all_s / 60:.0f} minutes, of which the first {self._quiet_s / 60:.0f}"
            " measure time, and want a machine that does nothing else"
        )

    def _crowd(self, names: list[str], at_once: int) -> list[Row]:
        """Measure these, so many at the same time, each door of each by itself."""
        parts = [(name, door) for name in names for door in self.switches.doors]
        with ThreadPoolExecutor(max_workers=at_once) as pool:
            return [row for rows in pool.map(self._counted, parts) for row in rows]

    def _counted(self, part: tuple[str, Door]) -> list[Row]:
        name, door = part
        alone = replace(self.switches, servers={door: self.switches.servers[door]})
        with self._lab(alone) as lab:
            return self._taken(f"{name} {door}", LATER[name], lab)

    def _taken(self, name: str, measure: Measure, lab: Lab) -> list[Row]:
        begun_s = time.monotonic()
        try:
            result = measure(lab)
        except NotMeasuredError as error:  # the others' figures stand
            result = [Row(measure=name, unit="", judged=Judged.NOTHING, failure=str(error))]
        self.say("\n".join([f"{name}: {time.monotonic() - begun_s:.0f} s", *map(line, result)]))
        return result

    @contextlib.contextmanager
    def _lab(self, switches: Switches) -> Iterator[Lab]:
        """Yield a lab with an upstream of its own."""
        with (
            tempfile.TemporaryDirectory(prefix="llmsvc-bench-") as folder,
            upstream_running(self.programs, Path(folder)) as (upstream, gate_url),
        ):
            yield Lab(
                effort=self.effort,
                switches=switches,
                programs=self.programs,
                upstream=upstream,
                gate_url=gate_url,
                folder=Path(folder),
            )
