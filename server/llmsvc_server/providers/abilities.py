"""What some providers can do besides answering."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec


class ListedModel(msgspec.Struct, frozen=True, gc=False):
    """What a provider's list tells of one model that can be asked.

    There may be 100,000 of them, all made in one go.

    Attributes:
        name: As the provider spells it.
        stamp: What changes when the model behind the name does, such as its digest. Empty if
            unknown.
        size_bytes: Size on disk; None if unknown.
    """

    name: str
    stamp: str = ""
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """What one provider has, at one moment.

    Attributes:
        models: Identity of each model that can be asked -> what is told of it.
        remote: Identities of those that the provider would have run elsewhere. They are in
            `models` only where they may be asked.
        loaded: Identity of each model in memory -> what moves whenever work on it is done, empty
            if unknown; None where the provider did not say what is there. It changes between
            polls that see the same list, so it is no part of what is told of each model.
        version: What the provider calls its version. Empty if unknown.
        is_listed: Whether the provider listed anything; else `models` are those that are configured.
        left_out: How many entries of its list are about models beyond the bound on them.
    """

    models: Mapping[str, ListedModel]
    remote: frozenset[str] = frozenset()
    loaded: Mapping[str, str] | None
    version: str
    is_listed: bool = True
    left_out: int = 0


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


class ExploresModels(Protocol):
    """Finds out what its models can do, behind the looks at its list."""

    async def explore(self) -> None:
        """Go on for ever, and ask about each model once: no look and no call waits for it."""
        ...


class MayForward(Protocol):
    """A local provider whose server could have models run in its vendor's cloud."""

    async def may_forward(self) -> bool:
        """Return whether the server does not say that it can't.

        Raises:
            ProviderError: It cannot be reached.
        """
        ...


class WarmsModels(Protocol):
    """Brings a model into memory without running it, and out of it."""

    async def warm(self, model: str) -> None:
        """Return once the model is in memory.

        Raises:
            ProviderError: It is not going to be.
        """
        ...

    async def unload(self, model: str) -> None:
        """Return once the server has taken the order to free the model's memory.

        Raises:
            ProviderError: It did not.
        """
        ...
