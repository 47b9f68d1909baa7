"""Which candidates a request has, in order. Pure: a request, the targets, what is known of them.

The privacy gate stands first: what it refuses is not looked at further (failover.md 1 and 10).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import (
    Locality,
    Privacy,
    ProviderInfo,
    TargetName,
    strictest,
)
from llmsvc_server.chat.value import value
from llmsvc_server.errors import (
    ContextTooLong,
    ModelNotFound,
    ProviderError,
    ProviderNotFound,
    RouteForbidden,
)
from llmsvc_server.providers.base import ChatProvider
from llmsvc_server.routing.budget import Patience
from llmsvc_server.routing.pace import estimated_tokens

ANY_MODEL = "*"


class Refuses(Protocol):
    """Says why a model may not be asked for now; None if it may."""

    def __call__(self, model: str, *, sole: bool) -> ProviderError | None:
        """Return the reason, as a failure of a target that is not called."""
        ...


def never_refuses(model: str, *, sole: bool) -> ProviderError | None:  # noqa: ARG001  as above
    """Refuse nothing: for providers without breakers."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One configured provider in its wrappers, and the models that it runs.

    Attributes:
        provider: Answers.
        default_model: What it runs where a request leaves the choice to us.
        aliases: Model that a request names -> model that runs here; "*" for every other name.
        is_listed: Whether its models are known from looks.
        allows_remote: Whether models that it forwards elsewhere may be asked, as remote ones.
        configured_only: Whether it runs `default_model` and the aliases' models only.
        window_tokens: Context window; None if unknown.
        patience: Its limits on silence.
        refusal: Its breakers and blocks.
    """

    provider: ChatProvider
    default_model: str
    aliases: Mapping[str, str] = field(default_factory=dict)
    is_listed: bool = True
    allows_remote: bool = False
    configured_only: bool = False
    window_tokens: int | None = None
    patience: Patience
    refusal: Refuses = never_refuses


@value
class Candidate:
    """One provider with one model, in the provider's own spelling.

    `info` is the provider's, with the locality of this model. `pull_hint` is the model as
    configured, should it turn out to be missing; else empty.
    """

    info: ProviderInfo
    provider: ChatProvider
    model: str
    patience: Patience
    window_tokens: int | None
    refusal: Refuses
    pull_hint: str = ""


Outcome = Candidate | ProviderError
"""What the plan says of one target: ask it, or why not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every target's outcome, in order, under the policy in force.

    `is_cut` says whether the request itself keeps further targets away.
    """

    privacy: Privacy
    outcomes: Sequence[Outcome]
    is_cut: bool = False


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
        return {target.provider.info.name: target for target in self.sequence} | dict(self.others)


def plan(request: ChatRequest, targets: Targets, inventory: Inventory) -> Plan:
    """Return what to do with each target of a request.

    A request that names no model, or the primary's configured one, runs each candidate's own
    default model. Any other name runs only where it is listed or has an alias: nobody's typo is
    answered, and billed, by something else.

    Args:
        request: Names a model, targets and a privacy mode, or leaves them to the operator.
        targets: What is configured.
        inventory: What each provider is known to have.

    Raises:
        ProviderNotFound: A target names a provider that is not configured.
    """
    privacy = strictest((targets.privacy, request.routing.privacy))
    by_request = targets.privacy is not Privacy.LOCAL_ONLY
    outcomes: list[Outcome] = []
    names = list(_wanted(request, targets))
    for name in names:
        outcome = _resolved(name, request, targets, inventory)
        if privacy is Privacy.LOCAL_ONLY:
            outcome = _gated(outcome, "request" if by_request else "operator")
        outcomes.append(outcome)
        if request.routing.fallback_disabled and isinstance(outcome, Candidate):
            break
    return Plan(privacy=privacy, outcomes=outcomes, is_cut=len(outcomes) < len(names))


def _wanted(request: ChatRequest, targets: Targets) -> Iterator[TargetName]:
    """Yield the targets in order; an unnamed provider stands for all of the sequence."""
    sequence = [target.provider.info.name for target in targets.sequence]
    for name in request.routing.targets or (TargetName(provider="", model=""),):
        if name.provider:
            yield name
            continue
        for provider in sequence:
            yield TargetName(provider=provider, model=name.model)


def _resolved(
    name: TargetName, request: ChatRequest, targets: Targets, inventory: Inventory
) -> Outcome:
    withheld = targets.withheld.get(name.provider)
    if withheld is not None:
        return withheld.unsent(None)
    target = targets.all.get(name.provider)
    if target is None:
        raise ProviderNotFound(name.provider)
    primary = targets.sequence[0]
    model = name.model
    if not model:
        by_default = not request.model or _is_default(primary, request.model, inventory)
        model = target.default_model if by_default else _own(target, request.model)
    # A provider that lists nothing is believed to have what it is configured for, and what it was
    # picked for: as the first, or by the caller.
    is_picked = bool(request.routing.targets) or target is primary
    outcome = _outcome(target, model, inventory, is_picked=is_picked)
    if isinstance(outcome, Candidate) and _overflows(outcome, request):
        return _fact(
            ContextTooLong(called=False, context_length=target.window_tokens), outcome.info, model
        )
    return outcome


def _own(target: Target, model: str) -> str:
    """Return what a target calls the model that a request names."""
    return target.aliases.get(model) or target.aliases.get(ANY_MODEL) or model


def _outcome(target: Target, model: str, inventory: Inventory, *, is_picked: bool) -> Outcome:
    info = target.provider.info
    is_default = _is_default(target, model, inventory)
    is_configured = is_default or model in target.aliases.values()
    missing = ModelNotFound(called=False)
    missing.pull_hint = pull_hint = target.default_model if is_default else ""
    spelling: str | None = model
    if target.is_listed:
        problem = inventory.unknown(info.name)
        if problem is not None:
            return _fact(problem, info, model)
        if inventory.runs_remotely(info.name, model):
            if not target.allows_remote:
                return _fact(RouteForbidden(called=False, cause="operator"), info, model)
            info = replace(info, locality=Locality.REMOTE)
        spelling = inventory.spelling(info.name, model)
    elif not is_configured and not is_picked:
        spelling = None
    if spelling is None or (target.configured_only and not is_configured):
        return _fact(missing, info, model)
    return Candidate(
        info=info,
        provider=target.provider,
        model=spelling,
        patience=target.patience,
        window_tokens=target.window_tokens,
        refusal=target.refusal,
        pull_hint=pull_hint,
    )


def _gated(outcome: Outcome, cause: str) -> Outcome:
    """Return what is left of an outcome where nothing may leave the network."""
    if isinstance(outcome, Candidate) and outcome.info.locality is not Locality.LOCAL:
        return _fact(RouteForbidden(called=False, cause=cause), outcome.info, outcome.model)
    return outcome


def _overflows(candidate: Candidate, request: ChatRequest) -> bool:
    window = candidate.window_tokens
    return window is not None and estimated_tokens(request.text_length) > window


def _is_default(target: Target, model: str, inventory: Inventory) -> bool:
    if not target.is_listed:
        return model == target.default_model
    return inventory.same_model(target.provider.info.name, model, target.default_model)


def _fact(error: ProviderError, info: ProviderInfo, model: str) -> ProviderError:
    error.provider = info
    error.model = model
    return error
