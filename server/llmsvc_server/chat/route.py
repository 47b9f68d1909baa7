"""Who may answer, who was asked, and who answers."""

from collections.abc import Iterable
from enum import StrEnum

from llmsvc_server.chat.value import value


class Locality(StrEnum):
    """Where a provider runs, seen from the operator's network."""

    LOCAL = "local"
    REMOTE = "remote"


class Privacy(StrEnum):
    """Whether content may leave the operator's network."""

    LOCAL_ONLY = "local_only"
    CLOUD_ALLOWED = "cloud_allowed"


def strictest(modes: Iterable[Privacy | None]) -> Privacy:
    """Return the mode in force where several were asked for; None asks for nothing."""
    return Privacy.LOCAL_ONLY if Privacy.LOCAL_ONLY in modes else Privacy.CLOUD_ALLOWED


class ProviderKind(StrEnum):
    """What kind of upstream a provider is."""

    OLLAMA = "ollama"
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    MOCK = "mock"


@value
class ProviderInfo:
    """One configured upstream. `name` is its key in the configuration."""

    name: str
    kind: ProviderKind
    locality: Locality


@value
class TargetName:
    """A provider and one of its models, as a caller names them. Empty leaves the choice open."""

    provider: str
    model: str


@value
class Attempt:
    """One target, tried or skipped.

    `code` is the gRPC status code's name that it alone would have given, "OK" for the one that
    answers; `reason` an ErrorReason without its prefix, empty on success. `elapsed_s` is None
    where no request was made. `content_sent` says whether content went to it.
    """

    provider: ProviderInfo
    model: str
    code: str
    reason: str
    elapsed_s: float | None
    content_sent: bool


@value
class Trail:
    """What was tried for one request, in order, under which policy.

    `requested_model` is empty where the caller named none.
    """

    requested_model: str
    privacy: Privacy
    attempts: tuple[Attempt, ...] = ()


@value
class Route:
    """The target that answers; the last of the trail's attempts is its own."""

    provider: ProviderInfo
    model: str
    trail: Trail
