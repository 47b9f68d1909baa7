"""One base URL of a provider: its adapter within the limit on silence, its breakers, its places.

Connections have a breaker of their own: who refuses one model's calls refuses all.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Protocol

from llmsvc_server.chat.deadline import AttemptLimits, Clock
from llmsvc_server.chat.events import ChatEvents, Done, Phase, Waiting
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import Locality
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.base import ChatProvider
from llmsvc_server.reports import BreakerState, Reporter, Transition
from llmsvc_server.routing.blocks import Blocks
from llmsvc_server.routing.breaker import CircuitBreaker
from llmsvc_server.routing.commit import commits
from llmsvc_server.routing.interruption import Waits
from llmsvc_server.routing.place import Place

TROUBLE_S = 10.0
"""How long an endpoint that just failed is used only where no other is eligible.

Who fails at once looks idle, and would be given everything (docs/failover.md 9).
"""

REMEMBERED_MODELS = 256
TRIALS_TO_CLOSE = {Locality.LOCAL: 1, Locality.REMOTE: 2}


class Loader(Protocol):
    """Knows which models of one endpoint are in memory."""

    async def confirm(self, model: str) -> bool:
        """Return whether a model that stays silent is in memory."""
        ...

    def lost(self, model: str, error: ProviderError) -> ProviderError:
        """Note that a call found no engine; return its failure with when there will be one."""
        ...


class Watch:
    """Follows how the models of one endpoint do. This one looks away; see healing.py."""

    def worked_elsewhere(self, model: str, since_s: float) -> bool:  # noqa: ARG002  no answer
        """Return whether somebody else's work on a model was done since a point in time."""
        return False

    def was_silent(self, model: str, since_s: float) -> None:
        """Note a whole patience without a byte, from a model that is in memory."""

    def was_cold(self, model: str) -> None:
        """Note that a silent model was not in memory."""

    def answered(self, model: str) -> None:
        """Note first content."""

    def ended(self, model: str) -> None:
        """Note that a call of ours has ended, however it did."""

    def opened(self, model: str, cause: str) -> None:
        """Note that a model's breaker has opened, and the class of the failure that did it."""


class Endpoint:
    """Where one provider is reached. Hands out places, each with leave from the breakers."""

    def __init__(  # noqa: PLR0913  plain parts, all by keyword
        self,
        name: str,
        inner: ChatProvider,
        *,
        places: int,
        places_per_model: int,
        knows: Callable[[str], bool],
        blocks: Blocks,
        clock: Clock,
        chance: random.Random,
        reporter: Reporter,
    ) -> None:
        """Let calls through to `inner`.

        Args:
            name: For logs; no address.
            inner: The adapter within its limit on silence.
            places: Chats that run there at once.
            places_per_model: The same for one model.
            knows: Whether it was seen to be up, with a model, at the last look; "" asks for the
                endpoint alone. For one that is never looked at: always.
            blocks: Of the provider.
            clock: Monotonic seconds.
            chance: Spreads open times.
            reporter: Told of breakers that turn.
        """
        self.name = name
        self.in_flight = 0
        self._inner = inner
        self._places = places
        self._places_per_model = places_per_model
        self._knows = knows
        self._blocks = blocks
        self._clock = clock
        self._chance = chance
        self._reporter = reporter
        self._running: dict[str, int] = {}
        self._troubled_s = float("-inf")
        self._connecting = self._breaker("")
        self._models: dict[str, CircuitBreaker] = {}
        self._held_back: set[str] = set()
        self._unheard = Waits()
        self._watch = Watch()
        self._loads: Loader | None = None
        self._turned: Callable[[], None] = _nobody_minds

    def load_with(self, loads: Loader) -> None:
        """Ask `loads` whether a silent model is in memory, and tell them of engines that died."""
        self._loads = loads

    def watch_with(self, watch: Watch) -> None:
        """Tell `watch` how the models do."""
        self._watch = watch

    def tell_turns(self, turned: Callable[[], None]) -> None:
        """Call `turned` when a breaker opens or closes: who waits may have to go, or may go."""
        self._turned = turned

    @property
    def troubled(self) -> bool:
        """Whether it failed, or was too busy, a moment ago."""
        return self._clock() - self._troubled_s < TROUBLE_S

    @property
    def load(self) -> float:
        """Share of its places that are taken."""
        return self.in_flight / self._places

    def knows(self, model: str) -> bool:
        """Return whether it is up and has the model, as far as the last look tells."""
        return self._knows(model)

    def running(self, model: str) -> int:
        """Return how many chats of one model run there."""
        return self._running.get(model, 0)

    def breakers(self, model: str) -> tuple[CircuitBreaker, CircuitBreaker]:
        """Return the breaker of connections and the one of a model."""
        breaker = self._models.get(model)
        if breaker is None:
            if len(self._models) >= REMEMBERED_MODELS:
                idle = (
                    name for name, one in self._models.items() if one.state is BreakerState.CLOSED
                )
                del self._models[next(idle, next(iter(self._models)))]
            breaker = self._models[model] = self._breaker(model)
        return self._connecting, breaker

    def is_held_up(self, model: str, *, for_s: float) -> bool:
        """Return whether a breaker that its calls pass has been open for so many seconds.

        Unlike `breakers` it makes none: health asks about every model there is.
        """
        return any(
            one is not None and one.state is BreakerState.OPEN and one.open_for_s() >= for_s
            for one in (self._connecting, self._models.get(model))
        )

    def refusal(self, model: str, *, only_candidate: bool) -> ProviderError | None:
        """Return why no call for `model` may go there now, whatever is free; None if one may."""
        blocked = self._blocks.refusal(self.name, model)
        if blocked is not None:
            return blocked
        held = [
            one for one in self.breakers(model) if not one.passes(only_candidate=only_candidate)
        ]
        if not held and model not in self._held_back:
            return None
        waits_s = [breaker.retry_after_s(only_candidate=only_candidate) for breaker in held]
        return self._blocked(called=False, retry_after_s=max(waits_s, default=None))

    def has_place(self, model: str) -> bool:
        """Return whether one more chat of `model` may run there."""
        return self.in_flight < self._places and self.running(model) < self._places_per_model

    def reserve(self, model: str, *, only_candidate: bool) -> "Place | None":
        """Take a place and the breakers' leave; None where there is none."""
        if (
            not self.has_place(model)
            or self.refusal(model, only_candidate=only_candidate) is not None
        ):
            return None
        connecting, answering = (
            breaker.permit(only_candidate=only_candidate) for breaker in self.breakers(model)
        )
        assert connecting is not None  # noqa: S101  `refusal` has asked them
        assert answering is not None  # noqa: S101  the same
        self.in_flight += 1
        self._running[model] = self.running(model) + 1
        trial = self._blocks.admit(self.name, model)
        return Place(self, model, connecting, answering, trial)

    def was_seen(self) -> None:
        """Take a look that succeeded: who can be looked at takes connections."""
        self._connecting.try_now()

    def load_failed(self, error: ProviderError, model: str) -> None:
        """Count a load that failed: one verdict, however many waited for it."""
        self._block(error, model)
        rules = error.kind.rules
        if not rules.counts:
            return
        self._troubled_s = self._clock()
        connecting, answering = self.breakers(model)
        breaker = connecting if error.kind is ErrorKind.CONNECT else answering
        permit = breaker.permit(only_candidate=False)
        if permit is not None:
            permit.failed(slow=rules.is_slow, cause=error.kind.value)
        else:
            breaker.passed_alone()  # who has nobody else comes again, but no more than once a second

    def hold_back(self, model: str) -> None:
        """Give no place for a model, whatever its breaker says, until `let_through`."""
        self._held_back.add(model)

    async def interrupt(self, model: str, *, within_s: float) -> None:
        """Close the model's calls that have no byte yet, and wait until they are."""
        await self._unheard.interrupt(model, within_s=within_s)

    def let_through(self, model: str) -> None:
        """Give places again where the breaker agrees."""
        self._held_back.discard(model)
        self._turned()

    async def stream_chat(
        self, place: Place, request: ChatRequest, limits: AttemptLimits
    ) -> ChatEvents:
        """Run one chat in its place, which the caller gives back.

        Raises:
            ProviderError: As the adapter; `verdict` holds back what it says of the endpoint.
        """
        model = request.model
        yield Waiting(Phase.PROVIDER)
        if model in self._held_back:
            raise self._blocked(called=False)
        began_s = self._clock()
        has_content = False
        with self._unheard.one(model) as unheard:
            try:
                async with aclosing(self._inner.stream_chat(request, limits)) as events:
                    async for event in events:
                        unheard.end()
                        if not has_content and commits(event):
                            has_content = True
                            self._answers(place, model, limits)
                        if isinstance(event, Done):
                            place.succeeded()
                        yield event
            except asyncio.CancelledError:
                if not unheard.broke():
                    raise
                raise self._blocked(called=True) from None
            except ProviderError as error:
                unheard.end()  # from here on nothing is waited for that healing could end
                told = await self._judged(error, request, limits, began_s)
                raise self._failed(told, place, model, limits) from None
            finally:
                self._watch.ended(model)

    def _answers(self, place: Place, model: str, limits: AttemptLimits) -> None:
        place.answers(limits)
        self._blocks.succeeded(self.name, model)
        self._watch.answered(model)

    async def _judged(
        self, error: ProviderError, request: ChatRequest, limits: AttemptLimits, began_s: float
    ) -> ProviderError:
        """Return what a failure is, where silence alone does not tell."""
        model = request.model
        silent = error.kind is ErrorKind.SILENT and error.phase == "first_token"
        if not silent or not limits.is_full_length:
            return error
        if self._watch.worked_elsewhere(model, began_s):
            return ProviderError(ErrorKind.SATURATED, row=error.row, phase=error.phase)
        # What runs elsewhere has no load here.
        loads = self._loads if request.stays_local else None
        if loads is not None and not await loads.confirm(model):
            self._watch.was_cold(model)
            return ProviderError(ErrorKind.COLD_LOAD, row=error.row, phase="load")
        self._watch.was_silent(model, began_s)
        return error

    def _failed(
        self, error: ProviderError, place: Place, model: str, limits: AttemptLimits
    ) -> ProviderError:
        """Return a failure with where it was, and with what it says of the health there."""
        error = replace(error, endpoint=self.name)
        self._block(error, model)
        if self._loads is not None and (error.engine_died or error.kind.rules.is_cold):
            error = self._loads.lost(model, error)
        verdict = place.failed(error, limits)
        if verdict is not None or error.kind is ErrorKind.SATURATED:
            self._troubled_s = self._clock()
        return error if verdict is None else replace(error, verdict=verdict)

    def _block(self, error: ProviderError, model: str) -> None:
        # What a local endpoint lacks, its looks tell; they see as well when it comes back.
        is_local = self._inner.info.locality is Locality.LOCAL
        if not (is_local and error.kind is ErrorKind.MODEL_MISSING):
            self._blocks.note(error, self.name, model)

    def _blocked(self, *, called: bool, retry_after_s: float | None = None) -> ProviderError:
        return ProviderError(
            ErrorKind.OPEN, endpoint=self.name, called=called, retry_after_s=retry_after_s
        )

    def free(self, model: str) -> None:
        """Count one chat of `model` less; its place calls this."""
        self.in_flight -= 1
        left = self._running.pop(model) - 1
        if left:
            self._running[model] = left

    def _breaker(self, model: str) -> CircuitBreaker:
        return CircuitBreaker(
            closes_after=TRIALS_TO_CLOSE[self._inner.info.locality],
            clock=self._clock,
            chance=self._chance,
            may_try=partial(self._knows, model),
            changed=partial(self._tell, model),
        )

    def _tell(self, model: str, state: BreakerState, cause: str) -> None:
        name = f"{self.name}/{model}" if model else self.name
        self._reporter.changed(Transition(name=name, state=state, detail=cause))
        if state is BreakerState.HALF_OPEN:
            return
        if state is BreakerState.OPEN:
            self._watch.opened(model, cause)
        self._turned()


def _nobody_minds() -> None:
    """Do nothing."""
