"""From the state of each provider to the facts that health is judged by."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.chat.route import Locality
from llmsvc_server.health.verdict import ProviderFacts
from llmsvc_server.routing.targets import Target

OVERLOOKED_S = 15.0
"""How long readiness overlooks an open breaker (docs/failover.md 5): lists that flap are worse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderState:
    """One target, and whether requests that name nobody may reach it."""

    target: Target
    in_sequence: bool


def collect_facts(states: Iterable[ProviderState], inventory: Inventory) -> list[ProviderFacts]:
    """Return what is known now of each provider, in order. Reads snapshots only."""
    return [_facts_of(state, inventory) for state in states]


def _facts_of(state: ProviderState, inventory: Inventory) -> ProviderFacts:
    target, info = state.target, state.target.info
    models: Mapping[str, bool] = {}
    if info.locality is Locality.LOCAL:
        models = _models(target, inventory)
        up = inventory.last_poll(info.name).reachable
        model = inventory.spelling(info.name, target.default_model)
    else:
        up, model = True, target.default_model
    serves = up and model is not None
    return ProviderFacts(
        info=info,
        in_sequence=state.in_sequence,
        # A breaker of its default model speaks for the provider, one of another model does not.
        can_be_called=up and _passes(target, model or ""),
        serves_default=serves and _passes(target, model or ""),
        ready=serves and _passes(target, model or "", overlooked_s=OVERLOOKED_S),
        default_model=target.default_model,
        models=models,
    )


def _models(target: Target, inventory: Inventory) -> Mapping[str, bool]:
    """Return whether each model can be run now. There may be thousands, and they are asked often."""
    places = inventory.places(target.info.name)
    endpoints = {one.name: one for one in target.upstream.endpoints if one.serves("")}
    return {
        model: any(name in endpoints and endpoints[name].serves(model) for name in there)
        for model, there in places.items()
    }


def _passes(target: Target, model: str, *, overlooked_s: float = 0.0) -> bool:
    """Return whether an endpoint takes calls: no block, and no breaker open for long."""
    return any(
        one.facts.has(model) and one.serves(model, overlooked_s=overlooked_s)
        for one in target.upstream.endpoints
    )
