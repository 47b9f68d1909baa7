"""From the inventory to the facts that health is judged by."""

from collections.abc import Sequence

from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.health.verdict import ProviderFacts
from llmsvc_server.routing.plan import Target


def facts(targets: Sequence[Target], inventory: Inventory) -> list[ProviderFacts]:
    """Return what is known now of each target, in order. Reads the snapshot only."""
    return [_facts(target, inventory) for target in targets]


def _facts(target: Target, inventory: Inventory) -> ProviderFacts:
    info = target.provider.info
    look = inventory.look(info.name)
    listed = inventory.spelling(info.name, target.default_model) is not None
    return ProviderFacts(
        info=info,
        reachable=look.reachable,
        serves_default=look.reachable and listed,
        default_model=target.default_model,
        models=tuple(look.catalogue.models.values()) if look.catalogue else (),
    )
