"""Inventories over scripted providers, each with one endpoint of the provider's own name."""

import time
from collections.abc import Mapping

from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.chat.deadline import Clock
from llmsvc_server.providers.abilities import ListsModels
from tests.fakes.listening_reporter import ListeningReporter


def inventory_over(
    sources: Mapping[str, ListsModels],
    *,
    reporter: ListeningReporter | None = None,
    clock: Clock | None = None,
) -> Inventory:
    """Return an inventory of `sources`, by provider name, not looked at yet."""
    return Inventory(
        {name: {name: source} for name, source in sources.items()},
        reporter or ListeningReporter(),
        clock or time.monotonic,
    )


def inventory_of(
    reporter: ListeningReporter | None = None, clock: Clock | None = None, **sources: ListsModels
) -> Inventory:
    """Return the same of named sources."""
    return inventory_over(sources, reporter=reporter, clock=clock)
