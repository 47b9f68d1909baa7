"""From the state of each provider to the facts that health is judged by."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.chat.route import Locality
from llmsvc_server.health.verdict import ProviderFacts
from llmsvc_server.routing.blocks import Blocks
from llmsvc_server.routing.endpoint import Endpoint
from llmsvc_server.routing.plan import Target

OVERLOOKED_S = 15.0
"""How long readiness overlooks an open breaker (docs/failover.md 5): lists that flap are worse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderState:
    """One target with all that says whether it can be called.

    `endpoints` is empty for a provider without breakers, `blocks` is then None.
    """

    target: Target
    in_sequence: bool
    endpoints: tuple[Endpoint, ...]
    blocks: Blocks | None


def collect_facts(states: Iterable[ProviderState], inventory: Inventory) -> list[ProviderFacts]:
    """Return what is known now of each provider, in order. Reads snapshots only."""
    return [_facts_of(state, inventory) for state in states]


def _facts_of(state: ProviderState, inventory: Inventory) -> ProviderFacts:
    target, info = state.target, state.target.provider.info
    models: Mapping[str, bool] = {}
    if info.locality is Locality.LOCAL:
        models = _models(state, inventory)
        up = inventory.last_poll(info.name).reachable
        model = inventory.spelling(info.name, target.default_model)
    else:
        up, model = True, target.default_model
    serves = up and model is not None
    return ProviderFacts(
        info=info,
        in_sequence=state.in_sequence,
        # A breaker of its default model speaks for the provider, one of another model does not.
        can_be_called=up and _passes(state, model or "", overlooked_s=0.0),
        serves_default=serves and _passes(state, model or "", overlooked_s=0.0),
        ready=serves and _passes(state, model or "", overlooked_s=OVERLOOKED_S),
        default_model=target.default_model,
        models=models,
    )


def _models(state: ProviderState, inventory: Inventory) -> Mapping[str, bool]:
    """Return whether each model can be run now. There may be thousands, and they are asked often."""
    places = inventory.places(state.target.provider.info.name)
    if not state.endpoints:
        return {model: bool(there) for model, there in places.items()}
    takers = {one.name: one for one in state.endpoints if _takes_calls(state, one, "", 0.0)}
    return {
        model: any(
            name in takers and not takers[name].is_held_up(model, for_s=0.0) for name in there
        )
        for model, there in places.items()
    }


def _passes(state: ProviderState, model: str, *, overlooked_s: float) -> bool:
    """Return whether an endpoint takes calls: no block, and no breaker open for long."""
    if not state.endpoints:
        return True
    return any(
        endpoint.knows(model) and _takes_calls(state, endpoint, model, overlooked_s)
        for endpoint in state.endpoints
    )


def _takes_calls(state: ProviderState, endpoint: Endpoint, model: str, overlooked_s: float) -> bool:
    is_blocked = state.blocks is not None and state.blocks.stops_serving(endpoint.name)
    return not is_blocked and not endpoint.is_held_up(model, for_s=overlooked_s)
