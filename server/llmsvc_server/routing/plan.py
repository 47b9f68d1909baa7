"""Which candidates a request has, in order, of its targets and what is known of them.

The privacy gate stands before anything that looks at the prompt or goes out (docs/failover.md 1,
docs/privacy.md 1). A provider that a caller picked is gated before its models are looked up; else
the model is found first, since where it runs decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from typing_extensions import override

from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.chat.features import NO_FEATURES, Capability, UnsupportedAction
from llmsvc_server.chat.request import ChatRequest, Routing
from llmsvc_server.chat.route import (
    Locality,
    Privacy,
    ProviderInfo,
    TargetName,
    strictest,
)
from llmsvc_server.chat.usage import estimated_tokens
from llmsvc_server.errors import ProviderError, ProviderNotFound
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.fit import NOTHING, needs_of
from llmsvc_server.routing.targets import Candidate, Target, Targets

ANY_MODEL = "*"
MAX_REMEMBERED = 256


Entry = Candidate | ProviderError
"""What the plan says of one target: ask it, or why not."""

Wish = tuple[frozenset[Capability], UnsupportedAction]
"""What a request needs, and what to do where that is missing."""


@dataclass(slots=True, kw_only=True)
class Plan:
    """Every target's entry, in order, under the policy in force.

    `is_cut` says whether the request itself keeps further targets away, `names_target` whether it
    says who is to answer, or with what other model than the primary's own. `candidates` are the
    entries that may be asked, `window_tokens` the smallest window of theirs, None if none is known.
    """

    privacy: Privacy
    entries: Sequence[Entry]
    is_cut: bool = False
    names_target: bool = False
    candidates: Sequence[Candidate] = field(init=False)
    window_tokens: int | None = field(init=False)

    def __post_init__(self) -> None:
        """Work out what follows from the entries."""
        self.candidates = [one for one in self.entries if isinstance(one, Candidate)]
        windows = (one.window_tokens for one in self.candidates)
        self.window_tokens = min((one for one in windows if one is not None), default=None)


class Planner:
    """Says what to do with each target of a request, once until the inventory learns something.

    What is configured and known rarely changes from call to call. Only plans without refusals are
    remembered: each of those is an error of its own call. A plan that the request cuts short is not
    either: nobody asks then whether the others' windows fit. What models lack is asked anew each
    time, of requests that need anything: it turns out while they run.
    """

    def __init__(self, targets: Targets, inventory: Inventory) -> None:
        """Plan over `targets` by what `inventory` knows of them."""
        self._targets = targets
        self._inventory = inventory
        self._age = inventory.age
        self._known: dict[tuple[str, Routing, Wish | None], Plan] = {}

    @override
    def __repr__(self) -> str:
        """Return how much is remembered, of whom."""
        return f"<Planner of {', '.join(self._targets.all)}: {len(self._known)} plans>"

    def plan(self, request: ChatRequest) -> Plan:
        """Return the plan of a request.

        One that names no model, or the primary's configured one, may run each candidate's own
        default model. Any other name runs only where it is listed or has an alias: nobody's typo is
        answered, and billed, by something else.

        Raises:
            ProviderNotFound: A target names a provider that is not configured.
        """
        if self._age != self._inventory.age or len(self._known) >= MAX_REMEMBERED:
            self._age = self._inventory.age
            self._known.clear()
        features = request.features
        needs = NOTHING if features is NO_FEATURES else needs_of(request)
        wish = None if features is NO_FEATURES else (needs, features.unsupported)
        key = request.model, request.routing, wish
        known = self._known.get(key)
        if known is not None and (wish is None or _still_fits(known, needs)):
            window = known.window_tokens
            if window is None or estimated_tokens(request.text_length) <= window:
                return known
        made = _Draft(request, needs, self._targets, self._inventory).finish()
        is_whole = not request.routing.fallback_disabled
        if is_whole and len(made.candidates) == len(made.entries):
            self._known[key] = made
        return made


class _Draft:
    """One request's questions to the configuration and to the inventory."""

    def __init__(
        self,
        request: ChatRequest,
        needs: frozenset[Capability],
        targets: Targets,
        inventory: Inventory,
    ) -> None:
        self._request = request
        self._needs = needs
        self._targets = targets
        self._known = targets.all
        self._inventory = inventory
        self._primary = targets.sequence[0]
        self._cause = "operator" if targets.privacy is Privacy.LOCAL_ONLY else "request"
        self._privacy = strictest((targets.privacy, request.routing.privacy))
        # Whether the request leaves the model open, or names the primary's own.
        self._is_open = not request.model or self._same(
            self._primary, request.model, self._primary.default_model
        )

    def finish(self) -> Plan:
        """Return what becomes of each target, once each."""
        entries: dict[tuple[ProviderInfo | None, str], Entry] = {}
        only_one, is_cut, has_one = self._request.routing.fallback_disabled, False, False
        for name, is_picked in self._list_names():
            entry = self._decide(name, is_picked=is_picked)
            info = entry.info if isinstance(entry, Candidate) else entry.provider
            if (info, entry.model) in entries:
                continue
            if has_one:
                is_cut = is_cut or isinstance(entry, Candidate)
                continue
            entries[info, entry.model] = entry
            has_one = only_one and not self._passes_over(entry, is_picked=is_picked)
        return Plan(
            privacy=self._privacy,
            entries=list(entries.values()),
            is_cut=is_cut,
            names_target=bool(self._request.routing.targets) or not self._is_open,
        )

    def _list_names(self) -> list[tuple[TargetName, bool]]:
        """Return the targets in order, each once, and whether the caller picked its provider.

        A target without a provider stands for all of the sequence.
        """
        names: dict[TargetName, bool] = {}
        for name in self._request.routing.targets or (TargetName(provider="", model=""),):
            if not name.provider:
                for target in self._targets.sequence:
                    provider = target.info.name
                    names.setdefault(TargetName(provider=provider, model=name.model), False)
            elif name.provider in self._known or name.provider in self._targets.withheld:
                names[name] = True
            else:
                raise ProviderNotFound(name.provider)
        return list(names.items())

    def _decide(self, name: TargetName, *, is_picked: bool) -> Entry:
        """Return what to do with one target."""
        withheld = self._targets.withheld.get(name.provider)
        if withheld is not None:
            return self._withheld(withheld, name.model)
        target = self._known[name.provider]
        info, model = target.info, name.model or self._model(target)
        if is_picked and self._forbids(info):
            return _forbidden(info, model, self._cause)
        # A provider that lists nothing is believed to have what it is configured for, and what it
        # was picked for: as the first, or by the caller.
        entry = self._found(target, model, is_picked=is_picked or target is self._primary)
        if isinstance(entry, ProviderError):
            return entry
        if self._forbids(entry.info):
            return _forbidden(entry.info, entry.model, self._cause)
        return self._fit(entry)

    def _fit(self, entry: Candidate) -> Entry:
        """Return a candidate with what it lacks, or why it can't run the request at all."""
        missing = _missing(entry, self._needs)
        if missing and self._request.features.unsupported is UnsupportedAction.FAIL:
            return ProviderError(
                ErrorKind.CAPABILITY,
                called=False,
                lacks=missing,
                provider=entry.info,
                model=entry.model,
            )
        window = entry.window_tokens
        if window is not None and estimated_tokens(self._request.text_length) > window:
            return ProviderError(
                ErrorKind.CONTEXT,
                called=False,
                context_length=window,
                provider=entry.info,
                model=entry.model,
            )
        return replace(entry, missing=missing) if missing else entry

    def _passes_over(self, entry: Entry, *, is_picked: bool) -> bool:
        """Return whether a request for one target only means a later one than this."""
        if isinstance(entry, Candidate):
            return False
        if entry.kind is ErrorKind.REMOTE_REFUSED:
            return True
        is_missing = entry.kind is ErrorKind.MODEL_MISSING
        return is_missing and not is_picked and not self._is_open

    def _withheld(self, error: ProviderError, model: str) -> ProviderError:
        info = error.provider
        assert info is not None  # noqa: S101  the configuration's entry
        if self._forbids(info):
            return _forbidden(info, model, self._cause)
        return replace(error.unsent(None), provider=info, model=model)

    def _model(self, target: Target) -> str:
        """Return what a target runs where its own name of a model is not given."""
        asked = self._request.model
        if not asked:
            return target.default_model
        for name, model in target.aliases.items():
            if name != ANY_MODEL and self._same(self._primary, name, asked):
                return model
        is_listed = target.is_listed and self._has_listed(target, asked)
        if is_listed or self._is_configured(target, asked):
            return asked
        if ANY_MODEL in target.aliases:
            return target.aliases[ANY_MODEL]
        return target.default_model if self._is_open else asked

    def _found(self, target: Target, model: str, *, is_picked: bool) -> Entry:
        info, inventory = target.info, self._inventory
        is_default = self._same(target, model, target.default_model)
        is_configured = self._is_configured(target, model)
        pull_hint = target.default_model if is_default else ""
        spelling: str | None = model
        if target.is_listed:
            problem = inventory.unknown(info.name)
            if problem is not None:
                return replace(problem, provider=info, model=model)
            if inventory.runs_remotely(info.name, model):
                info = replace(info, locality=Locality.REMOTE)
                if not target.allows_remote:
                    return _forbidden(info, model, "operator")
            spelling = inventory.spelling(info.name, model)
        elif not model or not (is_configured or is_picked):
            spelling = None
        if spelling is None or (target.configured_only and not is_configured):
            return ProviderError(
                ErrorKind.MODEL_MISSING,
                called=False,
                provider=info,
                model=model,
                pull_hint=pull_hint,
                present=self._present(),
            )
        return Candidate(
            info=info,
            upstream=target.upstream,
            model=spelling,
            window_tokens=target.window_tokens,
            pull_hint=pull_hint,
        )

    def _present(self) -> list[str]:
        """Return every model that a request could have named instead under its policy."""
        names: list[str] = []
        for target in self._targets.sequence:
            info = target.info
            if self._forbids(info):
                continue
            if target.is_listed and not target.configured_only:
                names += self._inventory.models(info.name, remote=target.allows_remote)
            else:
                names += [own for own in _own(target) if self._has_listed(target, own)]
        return names

    def _has_listed(self, target: Target, model: str) -> bool:
        """Return whether a target has a model as far as it tells."""
        name = target.info.name
        return not target.is_listed or self._inventory.spelling(name, model) is not None

    def _is_configured(self, target: Target, model: str) -> bool:
        return any(self._same(target, model, configured) for configured in _own(target))

    def _same(self, target: Target, one: str, other: str) -> bool:
        """Return whether two names mean one model to a target."""
        if one == other or not target.is_listed:
            return one == other
        return self._inventory.same_model(target.info.name, one, other)

    def _forbids(self, info: ProviderInfo) -> bool:
        return self._privacy is Privacy.LOCAL_ONLY and info.locality is not Locality.LOCAL


def _missing(candidate: Candidate, needs: frozenset[Capability]) -> frozenset[Capability]:
    return candidate.upstream.missing(candidate.model, needs) if needs else NOTHING


def _still_fits(known: Plan, needs: frozenset[Capability]) -> bool:
    """Return whether a plan's candidates lack what they did when it was made."""
    return all(_missing(one, needs) == one.missing for one in known.candidates)


def _own(target: Target) -> tuple[str, ...]:
    """Return the models that the configuration names for a target."""
    return (target.default_model, *target.aliases.values())


def _forbidden(info: ProviderInfo, model: str, cause: str) -> ProviderError:
    return ProviderError(
        ErrorKind.REMOTE_REFUSED, called=False, cause=cause, provider=info, model=model
    )
