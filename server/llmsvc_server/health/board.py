"""The table that health answers from. Whoever watches it is woken at each change."""

import asyncio
from collections.abc import Mapping

from llmsvc_server.health.verdict import LIVENESS, READINESS
from llmsvc_server.reports import HealthState, Reporter, Transition


class Board:
    """Name -> SERVING or not, and whether the server drains."""

    def __init__(self, table: Mapping[str, bool], reporter: Reporter) -> None:
        """Start with `table`."""
        self._table = dict(table)
        self._reporter = reporter
        self._changed = asyncio.Event()
        self.draining = False

    @property
    def table(self) -> Mapping[str, bool]:
        """Every name there is, and whether it is SERVING."""
        return self._table

    def publish(self, table: Mapping[str, bool]) -> None:
        """Replace the table. Ignored while draining: nothing serves again then.

        Only a change of readiness is reported: the inventory tells what happens to providers.
        """
        if not self.draining and table != self._table:
            self._replace(table)

    def drain(self) -> None:
        """Turn everything but `liveness` to NOT_SERVING, for good, and end whoever watches."""
        self.draining = True
        self._replace({name: name == LIVENESS for name in self._table})

    def change(self) -> asyncio.Event:
        """Return the event that the next change sets. Take it before reading the table."""
        return self._changed

    def _replace(self, table: Mapping[str, bool]) -> None:
        before, self._table = self._table, dict(table)
        self._changed.set()
        self._changed = asyncio.Event()
        ready = self._table.get(READINESS, False)
        if ready != before.get(READINESS, False) and not self.draining:
            state = HealthState.SERVING if ready else HealthState.NOT_SERVING
            self._reporter.changed(Transition(name=READINESS, state=state))
