"""A server's loads at our own seam."""

import asyncio
from typing import cast

from typing_extensions import override

from llmsvc_server.app.tasks import Background
from llmsvc_server.catalog.facts import EndpointFacts
from llmsvc_server.errors import ProviderError
from llmsvc_server.providers.base import ChatProvider
from llmsvc_server.reports import LoadState
from llmsvc_server.upstreams.loads import Load, Loads
from llmsvc_server.upstreams.settings import Site
from tests.fakes.gate import Gate
from tests.fakes.listening_reporter import ListeningReporter
from tests.fakes.manual_clock import ManualClock
from tests.fakes.upstreams import settings, surroundings


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


class LoadBench:
    """The loads of one endpoint with all that they ask and tell.

    Attributes:
        source: Loads.
        seen: The models that the last poll found in memory.
        failed: The loads that failed: model and kind.
    """

    def __init__(
        self,
        tasks: Background,
        *,
        at_once: asyncio.Semaphore | None = None,
        timeout_s: float = 60.0,
        confirm_s: float = 5.0,
        size_bytes: int | None = None,
    ) -> None:
        """Know nothing in memory."""
        self.source = Warming()
        self.clock = ManualClock()
        self.reporter = ListeningReporter()
        self.seen: set[str] = set()
        self.failed: list[tuple[str, str]] = []
        self._tasks = tasks
        self.loads = Loads(
            Site("ollama", cast("ChatProvider", self.source), _Seen(self.seen, size_bytes)),
            settings(confirm_s=confirm_s),
            surroundings(self.clock, self.reporter, at_once=at_once),
            timeouts_s=(timeout_s, timeout_s),
        )

    @property
    def told(self) -> list[tuple[str, str, str]]:
        """What was told of loads: name, state, detail."""
        return [
            (change.name, change.state, change.detail)
            for change in self.reporter.changes
            if isinstance(change.state, LoadState)
        ]

    def begin(self, model: str, *, is_quiet: bool = False) -> Load:
        """Return the model's load, begun if none runs."""
        load = self.loads.find(model)
        if load is None:
            load = self.loads.begin(model)
            _ = self._tasks.start(self._run(load))
        if not is_quiet:
            self.loads.report_begin(load)
        return load

    async def wait(self, model: str) -> None:
        """Begin a load, or join the one that runs, and wait for its end."""
        await self.begin(model).join()

    async def confirm(self, model: str) -> bool:
        """Return whether the model is in memory after all."""
        return await self.loads.confirm(self.begin(model, is_quiet=True))

    async def load(self, model: str, took_s: float) -> None:
        """Load a model within `took_s` seconds of the clock."""
        self.source.gate.close()
        before = self.source.gate.arrivals
        load = self.begin(model)
        await self.source.gate.reached(before + 1)
        self.clock.advance(took_s)
        self.source.gate.open()
        await load.join()

    async def _run(self, load: Load) -> None:
        await self.loads.run(load)
        if load.failure is not None:
            self.failed.append((load.model, load.failure.kind.value))


class _Seen(EndpointFacts):
    def __init__(self, seen: set[str], size_bytes: int | None) -> None:
        self._seen = seen
        self._size_bytes = size_bytes

    @override
    def is_loaded(self, model: str) -> bool:
        return model in self._seen

    @override
    def size_bytes(self, model: str) -> int | None:
        return self._size_bytes
