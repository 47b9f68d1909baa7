"""Frees a wedged model: one that is in memory, takes chats, and never sends a byte.

Recorded from Ollama 0.24.0 (docs/facts/ollama.md 8, "Wedge"): every GET is green and a load
answers at once, so only silence tells. What helps without a restart is an unload, once no call
hangs on the model any more.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from typing_extensions import override

from llmsvc_server.chat.deadline import Clock
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.abilities import WarmsModels
from llmsvc_server.reports import LoadState, Reporter, Transition
from llmsvc_server.routing.breaker import STREAK
from llmsvc_server.routing.endpoint import Endpoint, Watch
from llmsvc_server.routing.loads import Loads

ONCE_IN_S = 600.0
CLOSING_S = 5.0
"""Longest wait until our own hanging calls are closed."""

UNLOAD_S = 10.0
"""Longest wait for the order to be taken."""

LOOK_AGE_S = 2.0
"""A look shows a moment that is at most so long ago: its own limit."""

REMEMBERED_MODELS = 256


@dataclass(slots=True)
class _Model:
    """What is known of one model.

    Attributes:
        silences: Whole patiences without a byte since the last sign of life.
        busy_until: What the last look showed.
        looked_s: When that was.
        touched_s: When we last did what moves `busy_until`.
        moved_s: When it was last seen moved by somebody else.
        healed_s: When it was last freed.
    """

    silences: int = 0
    busy_until: str = ""
    looked_s: float = float("-inf")
    touched_s: float = float("-inf")
    moved_s: float = float("-inf")
    healed_s: float = float("-inf")


class Healing(Watch):
    """Watches the models of one endpoint, and unloads one that is wedged."""

    def __init__(  # noqa: PLR0913  plain parts, all by keyword
        self,
        endpoint: Endpoint,
        loads: Loads,
        source: WarmsModels,
        *,
        busy_until: Callable[[str], str],
        start: Callable[[Coroutine[object, object, None]], object],
        clock: Clock,
        reporter: Reporter,
    ) -> None:
        """Watch `endpoint`.

        Args:
            endpoint: Whose models are watched.
            loads: Of that endpoint.
            source: Unloads.
            busy_until: What moves when work on a model is done, as the last look shows; empty
                where it does not say, and then nothing is ever freed.
            start: Runs a coroutine that belongs to no call.
            clock: Monotonic seconds.
            reporter: Told what is done.
        """
        self._endpoint = endpoint
        self._loads = loads
        self._source = source
        self._busy_until = busy_until
        self._start = start
        self._clock = clock
        self._reporter = reporter
        self._models: dict[str, _Model] = {}
        endpoint.watch_with(self)

    def looked(self) -> None:
        """Take in what a look at the endpoint found."""
        now_s = self._clock()
        for model, known in self._models.items():
            busy_until = self._busy_until(model)
            moved = "" not in {busy_until, known.busy_until} and busy_until != known.busy_until
            if moved and known.touched_s < known.looked_s - LOOK_AGE_S:
                known.moved_s = now_s
            known.busy_until, known.looked_s = busy_until, now_s

    @override
    def worked_elsewhere(self, model: str, since_s: float) -> bool:
        known = self._model(model)
        # The check that follows is a load, which moves the mark as well.
        known.touched_s = self._clock()
        if known.moved_s <= since_s:
            return False
        known.silences = 0
        return True

    @override
    def was_silent(self, model: str, since_s: float) -> None:
        known = self._model(model)
        if known.looked_s > since_s:  # else nobody can say whether others were at work
            known.silences += 1

    @override
    def was_cold(self, model: str) -> None:
        self._model(model).silences = 0

    @override
    def answered(self, model: str) -> None:
        self._model(model).silences = 0

    @override
    def ended(self, model: str) -> None:
        self._model(model).touched_s = self._clock()

    @override
    def opened(self, model: str, cause: str) -> None:
        known = self._models.get(model)
        if known is None or cause != ErrorKind.SILENT.value or known.silences < STREAK:
            return
        if not known.busy_until or self._clock() - known.healed_s < ONCE_IN_S:
            return
        known.healed_s = self._clock()
        self._endpoint.hold_back(model)
        _ = self._start(self._heal(model))

    async def _heal(self, model: str) -> None:
        self._tell(model, LoadState.WEDGED, "")
        try:
            # While one call hangs on it, an unload does nothing.
            await self._endpoint.interrupt(model, within_s=CLOSING_S)
            async with asyncio.timeout(UNLOAD_S):
                await self._source.unload(model)
            self._loads.mark_cold(model)
            await self._loads.wait(model)
        except (ProviderError, TimeoutError) as error:
            why = error.kind.value if isinstance(error, ProviderError) else ErrorKind.SILENT.value
            self._tell(model, LoadState.STILL_WEDGED, why)
        else:
            self._tell(model, LoadState.FREED, "")
            self._endpoint.breakers(model)[1].try_now()
        finally:
            self._endpoint.let_through(model)

    def _model(self, model: str) -> _Model:
        known = self._models.get(model)
        if known is None:
            if len(self._models) >= REMEMBERED_MODELS:
                del self._models[next(iter(self._models))]
            known = self._models[model] = _Model()
        return known

    def _tell(self, model: str, state: LoadState, detail: str) -> None:
        self._reporter.changed(
            Transition(
                name=f"{self._endpoint.name}/{model}",
                state=state,
                detail=detail,
            )
        )
