"""Loads of cold models: one at a time per endpoint, detached from the calls that wait for them.

A load hangs on the connection that asked for it, so no caller's leaving may close that one
(docs/failover.md 7).
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace

from llmsvc_server.chat.deadline import Clock
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.abilities import WarmsModels
from llmsvc_server.reports import LoadState, Reporter, Transition

PATIENCE_S = (60.0, 300.0)
"""Least and longest wait for an answer. Two waits at most: a load has ten minutes in all."""

TRIES = 2
"""An engine that dies early leaves a request without an answer."""

ETAS_OF_PATIENCE = 3
NOTED_FROM_S = 0.5
"""A quicker answer found the model in memory, and says nothing of its load."""

FIRST_ETA_S = 30.0
LEAST_ETA_S = 1.0
WEIGHT = 0.3
CONFIRM_S = 1.0
LOADS_AT_ONCE = 4

BYTES_PER_S = 200_000_000
SIZED_ETA_S = (5.0, 300.0)
"""A first guess from the size on disk, and its bounds (docs/failover.md 7)."""


def _no_size(_model: str) -> int | None:
    return None


class _Load:
    def __init__(self) -> None:
        self.began_s: float | None = None
        self.is_told = False
        self.is_ended = False
        self.over = asyncio.Event()
        # Stands where the load is given up: the process ends.
        self.failure: ProviderError | None = ProviderError(
            ErrorKind.COLD_LOAD, called=False, phase="load"
        )


class Loads:
    """The loads of one endpoint."""

    def __init__(  # noqa: PLR0913  plain parts, all by keyword
        self,
        name: str,
        source: WarmsModels,
        *,
        is_loaded: Callable[[str], bool],
        start: Callable[[Coroutine[object, object, None]], object],
        at_once: asyncio.Semaphore,
        failed: Callable[[ProviderError, str], None],
        clock: Clock,
        reporter: Reporter,
        size_bytes: Callable[[str], int | None] = _no_size,
        patience_s: tuple[float, float] = PATIENCE_S,
        confirm_s: float = CONFIRM_S,
    ) -> None:
        """Load nothing yet.

        Args:
            name: The endpoint's, for logs.
            source: Loads.
            is_loaded: What the last look found; a hint, which may be wrong.
            start: Runs a coroutine that belongs to no call.
            at_once: Bounds the loads of the whole process.
            failed: Told of each load that failed, once, with the model.
            clock: Monotonic seconds.
            reporter: Told of loads that begin and end.
            size_bytes: A model's size on disk, where that is known.
            patience_s: Least and longest wait for an answer, in seconds.
            confirm_s: How soon the load of a model that is in memory answers.
        """
        self._name = name
        self._source = source
        self._is_loaded = is_loaded
        self._start = start
        self._at_once = at_once
        self._failed = failed
        self._clock = clock
        self._reporter = reporter
        self._size_bytes = size_bytes
        self._patience_s = patience_s
        self._confirm_s = confirm_s
        self._turn = asyncio.Lock()
        self._running: dict[str, _Load] = {}
        self._cold: set[str] = set()
        self._warm: set[str] = set()
        self._etas_s: dict[str, float] = {}
        self._ended: Callable[[], None] = _nobody_minds

    def tell_ends(self, ended: Callable[[], None]) -> None:
        """Call `ended` whenever a load is over: who waits for a place may have one."""
        self._ended = ended

    def is_loaded(self, model: str) -> bool:
        """Return whether the model is in memory, as far as is known.

        What a call or a load of ours found out outlives the look, which lists dead and
        still loading engines too.
        """
        if model in self._running or model in self._cold:
            return False
        return model in self._warm or self._is_loaded(model)

    def is_loading(self, model: str) -> bool:
        """Return whether a load of ours runs."""
        return model in self._running

    def mark_cold(self, model: str) -> None:
        """Note that the model's engine is gone, until a load has answered."""
        self._cold.add(model)
        self._warm.discard(model)

    def lost(self, model: str, error: ProviderError) -> ProviderError:
        """Note that a call found no engine; where a load runs or has to, begin it.

        Args:
            model: What was called.
            error: How the call failed.

        Returns:
            The same failure, with how long the load will take.
        """
        self.mark_cold(model)
        if error.kind is not ErrorKind.COLD_LOAD:
            return error
        self.begin(model)
        return replace(error, retry_after_s=self.eta_s(model))

    def looked(self) -> None:
        """Note that a new look was taken: it now knows what our loads knew before it."""
        self._warm.clear()

    def eta_s(self, model: str) -> float:
        """Return the seconds until a load of the model is over, usually: ours, or one begun now."""
        sum_s = 0.0
        for name, load in self._running.items():
            passed_s = 0.0 if load.began_s is None else self._clock() - load.began_s
            sum_s += max(LEAST_ETA_S, self._whole_s(name) - passed_s)
            if name == model:
                return sum_s
        return sum_s + self._whole_s(model)

    async def wait(self, model: str) -> None:
        """Join the model's load, beginning one if none runs; leaving changes nothing for it.

        Raises:
            ProviderError: It failed.
        """
        load = self._begun(model)
        self._tell_begin(model, load)
        await load.over.wait()
        if load.failure is not None:
            raise load.failure.unsent(load.failure.retry_after_s)

    def begin(self, model: str) -> None:
        """Load the model if no load of it runs; wait for nothing."""
        self._tell_begin(model, self._begun(model))

    async def confirm(self, model: str) -> bool:
        """Return whether a model that stays silent is in memory: then a load answers at once."""
        load = self._begun(model)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._confirm_s):
                await load.over.wait()
        if not load.over.is_set():
            self._tell_begin(model, load)
        return load.failure is None

    def _begun(self, model: str) -> _Load:
        load = self._running.get(model)
        if load is None:
            load = self._running[model] = _Load()
            _ = self._start(self._run(model, load))
        return load

    async def _run(self, model: str, load: _Load) -> None:
        try:
            async with self._turn, self._at_once:
                load.began_s = self._clock()
                await self._load(model)
            load.failure = None
            self._note(model, load, self._clock() - load.began_s)
        except ProviderError as error:
            load.failure = replace(error, endpoint=self._name)
            self._tell_end(model, load, LoadState.FAILED, error.kind.value)
            self._failed(load.failure, model)
        finally:
            if load.is_told:
                self._tell_end(model, load, LoadState.GIVEN_UP)
            del self._running[model]
            load.over.set()
            self._ended()

    async def _load(self, model: str) -> None:
        try:
            await self._warmed(model)
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

    async def _warmed(self, model: str) -> None:
        least_s, most_s = self._patience_s
        patience_s = min(most_s, max(least_s, ETAS_OF_PATIENCE * self._whole_s(model)))
        for _ in range(TRIES):
            try:
                async with asyncio.timeout(patience_s):
                    return await self._source.warm(model)
            except TimeoutError:
                continue
        raise ProviderError(ErrorKind.LOAD_FAILED, called=False, model=model)

    def _note(self, model: str, load: _Load, took_s: float) -> None:
        self._cold.discard(model)
        self._warm.add(model)
        if took_s >= NOTED_FROM_S:
            before_s = self._etas_s.get(model, took_s)
            self._etas_s[model] = before_s + WEIGHT * (took_s - before_s)
        if took_s >= NOTED_FROM_S or load.is_told:
            self._tell_end(model, load, LoadState.LOADED, f"{took_s:.1f} s")

    def _whole_s(self, model: str) -> float:
        known_s = self._etas_s.get(model)
        if known_s is not None:
            return known_s
        size_bytes = self._size_bytes(model)
        if size_bytes is None:
            return FIRST_ETA_S
        least_s, most_s = SIZED_ETA_S
        return min(most_s, max(least_s, size_bytes / BYTES_PER_S))

    def _tell_begin(self, model: str, load: _Load) -> None:
        if not load.is_told:
            load.is_told = True
            self._tell(model, LoadState.LOADING, "")

    def _tell_end(self, model: str, load: _Load, state: LoadState, detail: str = "") -> None:
        """Tell how a load ended, and before it that it began, where nobody was told: both or none."""
        if not load.is_ended:
            self._tell_begin(model, load)
            load.is_ended = True
            self._tell(model, state, detail)

    def _tell(self, model: str, state: LoadState, detail: str) -> None:
        self._reporter.changed(Transition(name=f"{self._name}/{model}", state=state, detail=detail))


def _nobody_minds() -> None:
    """Do nothing."""
