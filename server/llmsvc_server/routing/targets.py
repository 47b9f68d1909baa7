"""What the operator configured, and what a request may use of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from llmsvc_server.chat.features import Capability
from llmsvc_server.chat.route import Locality, Privacy, ProviderInfo
from llmsvc_server.chat.value import value
from llmsvc_server.errors import ProviderError
from llmsvc_server.upstreams.upstream import Upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One configured provider, and the models that it runs.

    Attributes:
        upstream: Runs them.
        default_model: What it runs where a request leaves the choice to us.
        aliases: Model that a request names -> model that runs here; "*" for every other name.
        is_listed: Whether its models are known from polls.
        allows_remote: Whether models that it forwards elsewhere may be asked, as remote ones.
        configured_only: Whether it runs `default_model` and the aliases' models only.
        window_tokens: Context window; None if unknown.
    """

    upstream: Upstream
    default_model: str
    aliases: Mapping[str, str] = field(default_factory=dict)
    is_listed: bool = True
    allows_remote: bool = False
    configured_only: bool = False
    window_tokens: int | None = None

    @property
    def info(self) -> ProviderInfo:
        """The provider."""
        return self.upstream.info


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """All that the operator configured.

    Attributes:
        sequence: Who is asked, in order, the primary first; at least one.
        others: Who is asked only where a request names it, by name.
        withheld: Who is never asked, and why: a privacy ceiling, or no key.
        privacy: The operator's policy.
    """

    sequence: Sequence[Target]
    others: Mapping[str, Target] = field(default_factory=dict)
    withheld: Mapping[str, ProviderError] = field(default_factory=dict)
    privacy: Privacy = Privacy.CLOUD_ALLOWED

    @property
    def all(self) -> Mapping[str, Target]:
        """Every target by its provider's name, the sequence first."""
        return {target.info.name: target for target in self.sequence} | dict(self.others)


@value
class Candidate:
    """One provider with one model, in the provider's own spelling.

    `info` is the provider's, with the locality of this model. `pull_hint` is the model as
    configured, should it turn out to be missing; else empty. `missing` is what the request has to do
    without there, since it would rather be asked so than not at all.
    """

    info: ProviderInfo
    upstream: Upstream
    model: str
    window_tokens: int | None
    pull_hint: str = ""
    missing: frozenset[Capability] = frozenset()

    @property
    def is_local(self) -> bool:
        """Whether the provider runs this model locally."""
        return self.info.locality is Locality.LOCAL
