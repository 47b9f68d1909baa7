"""One address of a provider: what runs there, and whether more may.

Connections have a breaker of their own: who refuses one model's calls refuses all.
"""

from collections.abc import Collection

from typing_extensions import override

from llmsvc_server.chat.route import Locality
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.upstreams.blocks import Blocks
from llmsvc_server.upstreams.breaker import CircuitBreaker
from llmsvc_server.upstreams.lease import Lease
from llmsvc_server.upstreams.loads import Load, Loads
from llmsvc_server.upstreams.settings import Site, Surroundings, UpstreamSettings
from llmsvc_server.upstreams.silence import ORPHANED_S
from llmsvc_server.upstreams.wedge import WedgeDetector

TROUBLE_S = 10.0
"""How long an endpoint that just failed is used only where no other is eligible.

Who fails at once looks idle, and would be given everything (docs/failover.md 9).
"""

MAX_MODELS = 256
PROBES_TO_CLOSE = {Locality.LOCAL: 1, Locality.REMOTE: 2}


class Endpoint:
    """Answers questions, and hands out leases with leave from the breakers. Decides nothing.

    Attributes:
        name: For logs; no address.
        adapter: Speaks with it.
        facts: What is known of it.
        loads: Of its models.
        wedges: Watches for models that are wedged.
        held_back: Models of which no lease is given, whatever their breakers say.
        in_flight: How many chats run there.
    """

    def __init__(
        self, site: Site, settings: UpstreamSettings, blocks: Blocks, around: Surroundings
    ) -> None:
        """Run nothing yet at `site`; `blocks` are the provider's."""
        self.name, self.adapter, self.facts = site
        self.loads = Loads(site, settings, around)
        self.wedges = WedgeDetector(self.facts, around.judged_by, is_on=settings.heals)
        self.held_back: set[str] = set()
        self.in_flight = 0
        self._settings = settings
        self._max_in_flight = max(settings.max_in_flight, settings.max_in_flight_of_model)
        self._blocks = blocks
        self._around = around
        self._clock = around.judged_by
        self._is_local = self.adapter.info.locality is Locality.LOCAL
        self._leases: dict[str, set[Lease]] = {}
        self._troubled_s = float("-inf")
        self._last_fatal: tuple[str, float] = "", float("-inf")
        self._breakers: dict[str, CircuitBreaker] = {}
        self._connecting = self.breaker_of("")

    @override
    def __repr__(self) -> str:
        """Return what runs there, and what speaks against it."""
        said = [f"{self.in_flight} of {self._max_in_flight} run"]
        said += ["troubled"] if self.is_troubled else []
        said += [f"{model} held back" for model in sorted(self.held_back)]
        said += [repr(one) for one in self._breakers.values() if not one.is_closed]
        return f"<Endpoint {self.name}: {', '.join(said)}>"

    @property
    def is_troubled(self) -> bool:
        """Whether it failed, or was too busy, a moment ago."""
        return self._clock() - self._troubled_s < TROUBLE_S

    @property
    def load(self) -> float:
        """Share of its places that are taken."""
        return self.in_flight / self._max_in_flight

    def has_room(self, model: str) -> bool:
        """Return whether one more chat of a model may run there."""
        if self.in_flight >= self._max_in_flight:
            return False
        leases = self._leases.get(model)
        return leases is None or len(leases) < self._settings.max_in_flight_of_model

    def refusal(self, model: str, *, only_candidate: bool) -> ProviderError | None:
        """Return why no call for a model may go there now, whatever is free; None if one may."""
        if self._blocks.known:
            blocked = self._blocks.refusal(self.name, model)
            if blocked is not None:
                return blocked
        answering = self._breakers.get(model) or self.breaker_of(model)
        if self._connecting.is_closed and answering.is_closed and model not in self.held_back:
            return None
        turned = [
            one
            for one in (self._connecting, answering)
            if not one.passes(only_candidate=only_candidate)
        ]
        if not turned and model not in self.held_back:
            return None
        waits_s = [one.retry_after_s(only_candidate=only_candidate) for one in turned]
        return self._open(max(waits_s, default=None))

    def serves(self, model: str, *, overlooked_s: float = 0.0) -> bool:
        """Return whether it takes calls for a model, or any if "" is asked, in the eyes of health.

        Unlike `refusal` it makes no breaker: health asks about every model there is. A breaker
        counts once it has been open for `overlooked_s` seconds.
        """
        breakers = (self._connecting, self._breakers.get(model))
        is_open = any(one is not None and one.is_open(for_s=overlooked_s) for one in breakers)
        return not is_open and not self._blocks.stops_serving(self.name)

    def check(self, lease: Lease) -> None:
        """Return if a call that was given its lease while it waited may go out.

        Raises:
            ProviderError: OPEN. The model has turned out to be wedged meanwhile.
        """
        if lease.model in self.held_back:
            raise self._open(None)

    def breaker_of(self, model: str) -> CircuitBreaker:
        """Return a model's breaker; of connections for ""."""
        breaker = self._breakers.get(model)
        if breaker is None:
            if len(self._breakers) > MAX_MODELS:
                _, *models = self._breakers  # the first one is that of connections
                idle = (name for name in models if self._breakers[name].is_closed)
                del self._breakers[next(idle, models[0])]
            breaker = self._breakers[model] = CircuitBreaker(
                self.name,
                model,
                closes_after=PROBES_TO_CLOSE[self.adapter.info.locality],
                facts=self.facts,
                around=self._around,
            )
        return breaker

    def lease(self, model: str, caller: str) -> Lease:
        """Return a place with the breakers' leave; there is room, and no `refusal`."""
        breaker = self._breakers.get(model) or self.breaker_of(model)
        connecting, answering = self._connecting.permit(), breaker.permit()
        block_probe = self._blocks.admit(self.name, model) if self._blocks.known else None
        is_probe = bool(connecting.serial or answering.serial or block_probe)
        began_s = self._clock()
        lease = Lease(self, model, caller, began_s, connecting, answering, block_probe, is_probe)
        self.in_flight += 1
        self._leases.setdefault(model, set()).add(lease)
        return lease

    def free(self, lease: Lease) -> None:
        """Let others have a place that is held: the upstream has no more work with the chat."""
        lease.is_held = False
        self.in_flight -= 1
        leases = self._leases[lease.model]
        leases.discard(lease)
        if not leases:
            del self._leases[lease.model]

    def leases(self, model: str) -> Collection[Lease]:
        """Return those that are held for a model now."""
        return tuple(self._leases.get(model, ()))

    def take_poll(self) -> None:
        """Take in a poll that succeeded: who can be looked at takes connections."""
        self._connecting.try_now()
        self.loads.take_poll()
        self.wedges.take_poll()

    def take_content(self, model: str) -> None:
        """Take in that a model has sent content."""
        if self._blocks.known:
            self._blocks.take_success(self.name, model)
        self.wedges.take_sign(model)

    def take_fatal_schema(self, model: str) -> None:
        """Take in that a schema has ended the engine of a model."""
        self._last_fatal = model, self._clock()

    def blames_schema(self, model: str) -> bool:
        """Return whether a schema is to blame for the end of a model's engine, or of any if "" is asked.

        One that runs there now, or that has ended it a moment ago: all of its calls are told at once.
        """
        last, at_s = self._last_fatal
        if model in ("", last) and self._clock() - at_s < ORPHANED_S:
            return True
        models = (model,) if model else tuple(self._leases)
        return any(lease.has_schema for one in models for lease in self.leases(one))

    def take_failure(self, error: ProviderError, model: str, *, is_trouble: bool) -> None:
        """Take in a failure, of a call or of a load; `is_trouble` says whether it speaks of health."""
        # What a local endpoint lacks, its polls tell; they see as well when it comes back.
        if not (self._is_local and error.kind is ErrorKind.MODEL_MISSING):
            self._blocks.take_failure(error, self.name, model)
        if is_trouble or error.kind is ErrorKind.SATURATED:
            self._troubled_s = self._clock()

    async def run_load(self, load: Load) -> None:
        """Load a model; a failure is one verdict, however many wait for it."""
        await self.loads.run(load)
        if load.failure is not None:
            self.take_failed_load(load.failure, load.model)

    def take_failed_load(self, error: ProviderError, model: str) -> None:
        """Count a load that failed."""
        counts = error.kind.rules.counts
        self.take_failure(error, model, is_trouble=counts)
        if not counts:
            return
        breaker = self.breaker_of("" if error.kind is ErrorKind.CONNECT else model)
        if breaker.passes(only_candidate=False):
            _ = breaker.take_failure(breaker.permit(), error.kind)
        else:
            breaker.pass_alone()  # who has nobody else comes again, but no more than once a second

    def _open(self, retry_after_s: float | None) -> ProviderError:
        return ProviderError(
            ErrorKind.OPEN, endpoint=self.name, called=False, retry_after_s=retry_after_s
        )
