"""Who answers."""

from enum import StrEnum

from llmsvc_server.chat.value import value


class Locality(StrEnum):
    """Where a provider runs, seen from the operator's network."""

    LOCAL = "local"
    REMOTE = "remote"


class ProviderKind(StrEnum):
    """What kind of upstream a provider is."""

    OLLAMA = "ollama"
    MOCK = "mock"


@value
class ProviderInfo:
    """One configured upstream. `name` is its key in the configuration."""

    name: str
    kind: ProviderKind
    locality: Locality


@value
class Route:
    """The target that answers. `requested_model` is empty where the caller named none."""

    provider: ProviderInfo
    model: str
    requested_model: str
