"""A server's loads at our own seam, and the tasks that belong to no call."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Self

from llmsvc_server.errors import ProviderError
from llmsvc_server.reports import LoadState
from llmsvc_server.routing.loads import LOADS_AT_ONCE, Loads
from tests.fakes.gate import Gate
from tests.fakes.listening_reporter import ListeningReporter
from tests.fakes.manual_clock import ManualClock


class Warming:
    """A `WarmsModels` whose loads wait at a gate.

    Attributes:
        gate: Where every load waits; open at first.
        failures: What the next loads raise, in order, behind the gate.
        asked: The models whose load was asked for, in order.
        unloaded: The models that were unloaded, in order.
        running: How many loads run.
        most_running: How many that were at most.
        unload_failure: Where set, `unload` raises it.
    """

    def __init__(self) -> None:
        """Load at once."""
        self.gate = Gate()
        self.gate.open()
        self.failures: list[ProviderError] = []
        self.asked: list[str] = []
        self.unloaded: list[str] = []
        self.running = 0
        self.most_running = 0
        self.unload_failure: ProviderError | None = None

    async def warm(self, model: str) -> None:
        """Load."""
        self.asked.append(model)
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            await self.gate.passed()
            if self.failures:
                raise self.failures.pop(0)
        finally:
            self.running -= 1

    async def unload(self, model: str) -> None:
        """Unload."""
        self.unloaded.append(model)
        if self.unload_failure is not None:
            raise self.unload_failure


class Detached:
    """Runs coroutines that belong to no call. Use as an async context manager."""

    def __init__(self) -> None:
        """Own nothing yet."""
        self.tasks: list[asyncio.Task[None]] = []
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        """Take coroutines."""
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *_raised: object) -> None:
        """End what still runs."""
        for task in self.tasks:
            task.cancel()
        await self._group.__aexit__(None, None, None)

    def start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run `work`."""
        task = self._group.create_task(work)
        self.tasks.append(task)
        return task


class LoadBench:
    """The loads of one endpoint with all that they ask and tell.

    Attributes:
        source: Loads.
        seen: The models that the last look found in memory.
        failed: The loads that failed: model and kind.
        ended: How many loads were told to be over.
    """

    def __init__(  # noqa: PLR0913  what tests vary, all by keyword
        self,
        detached: Detached,
        *,
        clock: ManualClock | None = None,
        at_once: asyncio.Semaphore | None = None,
        name: str = "ollama",
        patience_s: float = 60.0,
        confirm_s: float = 5.0,
        failed: Callable[[ProviderError, str], None] | None = None,
        size_bytes: int | None = None,
    ) -> None:
        """Know nothing in memory."""
        self.source = Warming()
        self.clock = clock or ManualClock()
        self.reporter = ListeningReporter()
        self.seen: set[str] = set()
        self.failed: list[tuple[str, str]] = []
        self.ended = 0
        self.loads = Loads(
            name,
            self.source,
            is_loaded=lambda model: model in self.seen,
            start=detached.start,
            at_once=at_once or asyncio.Semaphore(LOADS_AT_ONCE),
            failed=failed or self._fail,
            clock=self.clock,
            reporter=self.reporter,
            size_bytes=lambda _model: size_bytes,
            patience_s=(patience_s, patience_s),
            confirm_s=confirm_s,
        )
        self.loads.tell_ends(self._end)

    @property
    def told(self) -> list[tuple[str, str, str]]:
        """What was told of loads: name, state, detail."""
        return [
            (change.name, change.state, change.detail)
            for change in self.reporter.changes
            if isinstance(change.state, LoadState)
        ]

    async def load(self, model: str, took_s: float) -> None:
        """Load a model within `took_s` seconds of the clock."""
        self.source.gate.close()
        before = self.source.gate.arrivals
        self.loads.begin(model)
        await self.source.gate.reached(before + 1)
        self.clock.advance(took_s)
        self.source.gate.open()
        await self.loads.wait(model)

    def _fail(self, error: ProviderError, model: str) -> None:
        self.failed.append((model, error.kind.value))

    def _end(self) -> None:
        self.ended += 1
