"""What some providers can do besides answering."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """What one provider has, at one moment.

    Attributes:
        models: Identity of each model that can be asked -> its name as the provider spells it.
        loaded: Identities of the models in memory; None where the provider did not say.
        version: What the provider calls its version. Empty if unknown.
    """

    models: Mapping[str, str]
    loaded: frozenset[str] | None
    version: str


class ListsModels(Protocol):
    """Tells which models it has, cheaply and without running any."""

    async def catalogue(self) -> Catalogue:
        """Ask the provider what it has now.

        Raises:
            ProviderError: It cannot be reached, or it is not such a provider.
        """
        ...

    def identity(self, name: str) -> str | None:
        """Return what two names of one model have in common; None if `name` names none."""
        ...
