"""What is known of one endpoint's models, in the words in which its upstream asks."""

from typing_extensions import override

from llmsvc_server.catalog.inventory import Inventory

MAX_REMEMBERED = 512


class EndpointFacts:
    """Of an endpoint that nobody polls: it is believed to be up, and to have all in memory."""

    def has(self, model: str) -> bool:  # noqa: ARG002  whatever it is
        """Return whether the endpoint is up and has a model; "" asks for the endpoint alone."""
        return True

    def is_loaded(self, model: str) -> bool:  # noqa: ARG002  whatever it is
        """Return whether the model was in memory when it was last looked; a hint, not the truth."""
        return True

    def size_bytes(self, model: str) -> int | None:  # noqa: ARG002  whatever it is
        """Return a model's size on disk; None if unknown."""
        return None

    def busy_until(self, model: str) -> str:  # noqa: ARG002  whatever it is
        """Return what moves when work on a model in memory is done; empty if unknown."""
        return ""


class PolledFacts(EndpointFacts):
    """What an inventory knows of one endpoint. Answers are remembered until it learns something."""

    def __init__(
        self, inventory: Inventory, provider: str, endpoint: str, *, reports_memory: bool
    ) -> None:
        """Ask `inventory` of one endpoint.

        Args:
            inventory: Polls it.
            provider: The provider's name.
            endpoint: The endpoint's.
            reports_memory: Whether it tells what is in memory. Who does not is believed to have
                all of it there.
        """
        self._inventory = inventory
        self._where = provider, endpoint
        self._reports_memory = reports_memory
        self._age = inventory.age
        self._has: dict[str, bool] = {}
        self._is_loaded: dict[str, bool] = {}

    @override
    def __repr__(self) -> str:
        """Return whom it is about."""
        return f"<PolledFacts: {self._where[1]}>"

    @override
    def has(self, model: str) -> bool:
        if self._age != self._inventory.age or model not in self._has:
            self._forget()
            self._has[model] = self._inventory.has(*self._where, model)
        return self._has[model]

    @override
    def is_loaded(self, model: str) -> bool:
        if self._age != self._inventory.age or model not in self._is_loaded:
            self._forget()
            self._is_loaded[model] = self._finds_loaded(model)
        return self._is_loaded[model]

    @override
    def size_bytes(self, model: str) -> int | None:
        return self._inventory.size_bytes(*self._where, model)

    @override
    def busy_until(self, model: str) -> str:
        return self._inventory.busy_until(*self._where, model)

    def _finds_loaded(self, model: str) -> bool:
        if not self._reports_memory or self._inventory.is_loaded(*self._where, model):
            return True
        # What runs elsewhere has no load here.
        return self._inventory.runs_remotely(self._where[0], model)

    def _forget(self) -> None:
        """Let go of what may be outdated, or is too much: names come from callers."""
        is_outdated = self._age != self._inventory.age
        if is_outdated or max(len(self._has), len(self._is_loaded)) >= MAX_REMEMBERED:
            self._age = self._inventory.age
            self._has.clear()
            self._is_loaded.clear()
