"""Loads of cold models: one at a time per endpoint, detached from the calls that wait for them.

A load hangs on the connection that asked for it, so no caller's leaving may close that one
(docs/failover.md 7). Whoever begins one here also sees that it runs.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import cast

from typing_extensions import override

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.abilities import WarmsModels
from llmsvc_server.reports import LoadState, Transition
from llmsvc_server.upstreams.settings import Site, Surroundings, UpstreamSettings

TIMEOUTS_S = (60.0, 300.0)
"""Least and longest wait for an answer. Two waits at most: a load has ten minutes in all."""

TRIES = 2
"""An engine that dies early leaves a request without an answer."""

ETAS_OF_TIMEOUT = 3
NOTED_FROM_S = 0.5
"""A quicker answer found the model in memory, and says nothing of its load."""

FIRST_ETA_S = 30.0
MIN_ETA_S = 1.0
WEIGHT = 0.3
LOADS_AT_ONCE = 4

BYTES_PER_S = 200_000_000
SIZED_ETA_S = (5.0, 300.0)
"""A first guess from the size on disk, and its bounds (docs/failover.md 7)."""


@dataclass(slots=True, eq=False)
class Load:
    """One load, which many may wait for.

    Attributes:
        model: What is loaded.
        began_s: When it began to run; None while another one runs there.
        failure: How it failed; None once it has gone well. At first that it was given up, which
            stands where the process ends.
        over: Set when it is over.
        is_reported: Whether its begin was.
    """

    model: str
    began_s: float | None = None
    failure: ProviderError | None = field(
        default_factory=lambda: ProviderError(ErrorKind.COLD_LOAD, called=False, phase="load")
    )
    over: asyncio.Event = field(default_factory=asyncio.Event)
    is_reported: bool = False

    async def join(self) -> None:
        """Wait for its end; leaving changes nothing for it.

        Raises:
            ProviderError: It failed.
        """
        await self.over.wait()
        if self.failure is not None:
            raise self.failure.unsent(self.failure.retry_after_s)


class Loads:
    """The loads of one endpoint, and what is known of its memory.

    Attributes:
        source: Loads, and unloads; None for who does so by itself.
    """

    def __init__(
        self,
        site: Site,
        settings: UpstreamSettings,
        around: Surroundings,
        *,
        timeouts_s: tuple[float, float] = TIMEOUTS_S,
    ) -> None:
        """Load nothing yet; wait at least and at most `timeouts_s` seconds for an answer."""
        self._name, adapter, self._facts = site
        self.source = cast("WarmsModels", adapter) if settings.loads_models else None
        self._at_once = around.loads_at_once
        self._clock = around.clock
        self._reporter = around.reporter
        self._timeouts_s = timeouts_s
        self._confirm_s = settings.confirm_s
        self._one_at_a_time = asyncio.Lock()
        self._running: dict[str, Load] = {}
        self._cold: set[str] = set()
        self._warm: set[str] = set()
        self._etas_s: dict[str, float] = {}

    @override
    def __repr__(self) -> str:
        """Return what is loaded now, and what our calls found out about the memory."""
        said = [*(f"{model} loading" for model in self._running)]
        said += [f"{model} cold" for model in sorted(self._cold - self._running.keys())]
        said += [f"{model} warm" for model in sorted(self._warm)]
        return f"<Loads of {self._name}: {', '.join(said) or 'as polled'}>"

    def is_loaded(self, model: str) -> bool:
        """Return whether the model is in memory, as far as is known.

        What a call or a load of ours found out outlives the poll, which lists dead and
        still loading engines too.
        """
        if model in self._running or model in self._cold:
            return False
        return model in self._warm or self._facts.is_loaded(model)

    def is_loading(self, model: str) -> bool:
        """Return whether a load of ours runs."""
        return model in self._running

    def mark_cold(self, model: str) -> None:
        """Note that the model's engine is gone, until a load has answered."""
        self._cold.add(model)
        self._warm.discard(model)

    def take_poll(self) -> None:
        """Note a new poll: it now knows what our loads knew before it."""
        self._warm.clear()

    def eta_s(self, model: str) -> float:
        """Return the seconds until a load of the model is over, usually: ours, or one begun now."""
        sum_s = 0.0
        for name, load in self._running.items():
            passed_s = 0.0 if load.began_s is None else self._clock() - load.began_s
            sum_s += max(MIN_ETA_S, self._whole_s(name) - passed_s)
            if name == model:
                return sum_s
        return sum_s + self._whole_s(model)

    def find(self, model: str) -> Load | None:
        """Return the model's load; None if none runs."""
        return self._running.get(model)

    def begin(self, model: str) -> Load:
        """Return a new load, of which there is none yet; who begins it has to `run` it."""
        load = self._running[model] = Load(model)
        return load

    async def run(self, load: Load) -> None:
        """Load a model that was begun; `load` says how that went."""
        try:
            async with self._one_at_a_time, self._at_once:
                load.began_s = self._clock()
                await self._load(load.model)
            load.failure = None
            self._take_success(load, self._clock() - load.began_s)
        except ProviderError as error:
            load.failure = replace(error, endpoint=self._name)
            self._report_end(load, LoadState.FAILED, error.kind.value)
        except BaseException:
            if load.is_reported:
                self._report(load, LoadState.GIVEN_UP)
            raise
        finally:
            del self._running[load.model]
            load.over.set()

    async def confirm(self, load: Load) -> bool:
        """Return whether a model that stays silent is in memory: then a load answers at once."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._confirm_s):
                await load.over.wait()
        if not load.over.is_set():
            self.report_begin(load)
        return load.failure is None

    def report_begin(self, load: Load) -> None:
        """Report that a load runs, once."""
        if not load.is_reported:
            load.is_reported = True
            self._report(load, LoadState.LOADING)

    async def _load(self, model: str) -> None:
        try:
            await self._warm_in_time(model)
        except ProviderError as error:
            if error.kind.rules.fails_load:
                raise ProviderError(
                    ErrorKind.LOAD_FAILED,
                    called=False,
                    phase="load",
                    model=model,
                    row=error.row,
                    status=error.status,
                ) from None
            raise replace(error, phase="load") from None

    async def _warm_in_time(self, model: str) -> None:
        assert self.source is not None  # noqa: S101  else nothing is ever cold
        min_s, max_s = self._timeouts_s
        timeout_s = min(max_s, max(min_s, ETAS_OF_TIMEOUT * self._whole_s(model)))
        for _ in range(TRIES):
            try:
                async with asyncio.timeout(timeout_s):
                    return await self.source.warm(model)
            except TimeoutError:
                continue
        raise ProviderError(ErrorKind.LOAD_FAILED, called=False, model=model)

    def _take_success(self, load: Load, took_s: float) -> None:
        model = load.model
        self._cold.discard(model)
        self._warm.add(model)
        if took_s >= NOTED_FROM_S:
            before_s = self._etas_s.get(model, took_s)
            self._etas_s[model] = before_s + WEIGHT * (took_s - before_s)
        if took_s >= NOTED_FROM_S or load.is_reported:
            self._report_end(load, LoadState.LOADED, f"{took_s:.1f} s")

    def _whole_s(self, model: str) -> float:
        known_s = self._etas_s.get(model)
        if known_s is not None:
            return known_s
        size_bytes = self._facts.size_bytes(model)
        if size_bytes is None:
            return FIRST_ETA_S
        min_s, max_s = SIZED_ETA_S
        return min(max_s, max(min_s, size_bytes / BYTES_PER_S))

    def _report_end(self, load: Load, state: LoadState, detail: str = "") -> None:
        """Report how a load ended, and before it that it began, where nobody was told: both or none."""
        self.report_begin(load)
        self._report(load, state, detail)

    def _report(self, load: Load, state: LoadState, detail: str = "") -> None:
        name = f"{self._name}/{load.model}"
        self._reporter.changed(Transition(name=name, state=state, detail=detail))
