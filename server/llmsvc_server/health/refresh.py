"""From what is known of the providers to the facts that health is judged by."""

from collections.abc import Iterable
from dataclasses import dataclass

from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.chat.route import Locality
from llmsvc_server.health.verdict import ProviderFacts
from llmsvc_server.routing.blocks import Blocks
from llmsvc_server.routing.breaker import State
from llmsvc_server.routing.endpoint import Endpoint
from llmsvc_server.routing.plan import Target

OVERLOOKED_S = 15.0
"""How long readiness overlooks an open breaker: endpoint lists that flap are worse (failover.md 5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One target with all that says whether it can be called.

    `endpoints` is empty for a provider without breakers, `blocks` is then None.
    """

    target: Target
    in_sequence: bool
    endpoints: tuple[Endpoint, ...]
    blocks: Blocks | None


def facts(standings: Iterable[Standing], inventory: Inventory) -> list[ProviderFacts]:
    """Return what is known now of each provider, in order. Reads snapshots only."""
    return [_facts(standing, inventory) for standing in standings]


def _facts(standing: Standing, inventory: Inventory) -> ProviderFacts:
    target, info = standing.target, standing.target.provider.info
    models: tuple[str, ...] = ()
    if info.locality is Locality.LOCAL:
        models = inventory.models(info.name)
        up = inventory.look(info.name).reachable
        model = inventory.spelling(info.name, target.default_model)
    else:
        up, model = True, target.default_model
    serves = up and model is not None
    return ProviderFacts(
        info=info,
        in_sequence=standing.in_sequence,
        # A breaker of its default model speaks for the provider, one of another model does not.
        can_be_called=up and _passes(standing, model or "", overlooked_s=0.0),
        serves_default=serves and _passes(standing, model or "", overlooked_s=0.0),
        ready=serves and _passes(standing, model or "", overlooked_s=OVERLOOKED_S),
        default_model=target.default_model,
        models={name: up and _passes(standing, name, overlooked_s=0.0) for name in models},
    )


def _passes(standing: Standing, model: str, *, overlooked_s: float) -> bool:
    """Return whether an endpoint takes calls: no block, and no breaker open for long."""
    if not standing.endpoints:
        return True
    return any(
        endpoint.knows(model)
        and not (standing.blocks is not None and standing.blocks.stops_serving(endpoint.name))
        and not any(
            breaker.state is State.OPEN and breaker.open_for_s() >= overlooked_s
            for breaker in endpoint.breakers(model)
        )
        for endpoint in standing.endpoints
    )
