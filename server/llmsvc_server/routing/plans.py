"""Plans that are remembered: what is configured and known rarely changes from call to call."""

from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.chat.request import ChatRequest, Routing
from llmsvc_server.chat.usage import estimated_tokens
from llmsvc_server.routing.plan import Plan, Targets, plan

MOST_REMEMBERED = 256


class Plans:
    """Makes plans, each once until the inventory learns something.

    Only plans without refusals are remembered: each of those is an error of its own call. A plan
    that the request cuts short is not either: nobody asks then whether the others' windows fit.
    """

    def __init__(self, targets: Targets, inventory: Inventory) -> None:
        """Plan over `targets` by what `inventory` knows of them."""
        self._targets = targets
        self._inventory = inventory
        self._age = inventory.age
        self._known: dict[tuple[str, Routing], Plan] = {}

    def plan(self, request: ChatRequest) -> Plan:
        """Return what to do with each target of a request; see `plan.plan`.

        Raises:
            ProviderNotFound: A target names a provider that is not configured.
        """
        if self._age != self._inventory.age or len(self._known) >= MOST_REMEMBERED:
            self._age = self._inventory.age
            self._known.clear()
        key = request.model, request.routing
        known = self._known.get(key)
        if known is not None and _holds(known, request):
            return known
        made = plan(request, self._targets, self._inventory)
        is_whole = not request.routing.fallback_disabled
        if is_whole and len(made.candidates) == len(made.outcomes):
            self._known[key] = made
        return made


def _holds(plan: Plan, request: ChatRequest) -> bool:
    """Return whether the prompt fits into every window of a remembered plan."""
    if plan.window_tokens is None:
        return True
    return estimated_tokens(request.text_length) <= plan.window_tokens
