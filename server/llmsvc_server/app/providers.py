"""Every provider: from its entry to its adapters and its upstream, and what is known of them."""

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from itertools import chain
from typing import cast

from llmsvc_server.app.adapters import adapters
from llmsvc_server.app.tasks import Background
from llmsvc_server.catalog.facts import EndpointFacts, PolledFacts
from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.chat.deadline import Clock
from llmsvc_server.chat.route import Locality, Privacy, ProviderInfo, ProviderKind
from llmsvc_server.config.providers import ProviderEntry
from llmsvc_server.config.settings import Settings
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.health.refresh import ProviderState
from llmsvc_server.providers.abilities import ExploresModels, ListsModels, MayForward
from llmsvc_server.providers.base import ChatProvider
from llmsvc_server.providers.http.unfinished import Unfinished
from llmsvc_server.providers.shared.shortlist import Bound
from llmsvc_server.reports import Reporter
from llmsvc_server.routing.targets import Target, Targets
from llmsvc_server.upstreams.loads import LOADS_AT_ONCE
from llmsvc_server.upstreams.settings import Site, Surroundings, UpstreamSettings
from llmsvc_server.upstreams.upstream import Upstream

HOLDS_BACK_S = 120.0
"""Shortest limit on silence, unless one is set, where a server may hold back whole calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers:
    """What is configured, and what is known of it, by provider name; of addresses by endpoint."""

    targets: Targets
    inventory: Inventory
    upstreams: Mapping[str, Upstream]
    warm_on_start: Mapping[str, tuple[str, ...]]
    may_forward: Mapping[str, MayForward]
    explorers: Sequence[ExploresModels]
    addresses: Mapping[str, str]

    @property
    def states(self) -> Iterator[ProviderState]:
        """Every provider, the sequence first."""
        for in_sequence, targets in (
            (True, self.targets.sequence),
            (False, self.targets.others.values()),
        ):
            for target in targets:
                yield ProviderState(target=target, in_sequence=in_sequence)

    def is_busy(self, provider: str, endpoint: str = "") -> bool:
        """Return whether an endpoint runs chats for us now; any of the provider's if none is named."""
        endpoints = self.upstreams[provider].endpoints
        return any(one.in_flight for one in endpoints if endpoint in {"", one.name})

    async def warm(self) -> None:
        """Load what is to be in memory from the start, once it is known who has it."""
        await self.inventory.wait_for_first_poll()
        for provider, names in self.warm_on_start.items():
            for name in names:
                model = self.inventory.spelling(provider, name)
                if model is not None:
                    self.upstreams[provider].load(model)

    def close(self) -> None:
        """Send everybody who waits for a place away."""
        for upstream in self.upstreams.values():
            upstream.close()


async def build_providers(  # noqa: PLR0913  plain parts, by keyword
    settings: Settings,
    stack: AsyncExitStack,
    *,
    unfinished: Unfinished,
    reporter: Reporter,
    clock: Clock,
    judged_by: Clock,
    tasks: Background,
) -> Providers:
    """Return every active provider, with its upstream.

    Args:
        settings: Names the providers and their order.
        stack: Closes their connections.
        unfinished: Counts what they have begun to send.
        reporter: Takes their reports.
        clock: The loop's.
        judged_by: What breakers, blocks and denials go by.
        tasks: Run what belongs to no call.
    """
    llm = settings.llm
    entries = {**llm.candidates, **llm.others}
    named = chain.from_iterable(entry.named_models for entry in entries.values())
    bound = Bound(settings.health.max_models, frozenset(named))
    made = {
        name: adapters(name, entry, settings.limits, unfinished, bound)
        for name, entry in entries.items()
    }
    for of_one in made.values():
        for adapter in of_one.values():
            if isinstance(adapter, AbstractAsyncContextManager):
                await stack.enter_async_context(adapter)
    sources = {
        name: cast("Mapping[str, ListsModels]", of_one)
        for name, of_one in made.items()
        if next(iter(of_one.values())).info.locality is Locality.LOCAL
    }
    inventory = Inventory(sources, reporter, judged_by)
    around = Surroundings(
        clock=clock,
        judged_by=judged_by,
        rng=random.Random(),  # noqa: S311  spreads waits, guards nothing
        reporter=reporter,
        tasks=tasks,
        loads_at_once=asyncio.Semaphore(LOADS_AT_ONCE),
    )
    upstreams = {
        name: Upstream(
            next(iter(made[name].values())).info,
            _sites(entry, made[name], inventory),
            _settings(entry),
            around,
        )
        for name, entry in entries.items()
    }
    reporting = {
        endpoint: adapter
        for name, of_one in made.items()
        if entries[name].reports_model_state
        for endpoint, adapter in of_one.items()
    }
    targets = {name: _target(entry, upstreams[name]) for name, entry in entries.items()}
    return Providers(
        targets=Targets(
            sequence=[targets[name] for name in llm.candidates],
            others={name: targets[name] for name in llm.others},
            withheld=_withheld(settings),
            privacy=Privacy(llm.operator_privacy),
        ),
        inventory=inventory,
        upstreams=upstreams,
        warm_on_start={name: entry.models_to_warm for name, entry in entries.items()},
        may_forward={
            endpoint: cast("MayForward", adapter) for endpoint, adapter in reporting.items()
        },
        explorers=[cast("ExploresModels", adapter) for adapter in reporting.values()],
        addresses={
            endpoint: url
            for name, entry in entries.items()
            for endpoint, url in entry.endpoints(name).items()
        },
    )


def _withheld(settings: Settings) -> dict[str, ProviderError]:
    """Return why configured providers are never asked, as the failure of a call that names one."""
    llm = settings.llm
    why = dict.fromkeys(llm.inactive, (ErrorKind.MISCONFIGURED, "inactive"))
    why |= dict.fromkeys(llm.withheld_by_privacy, (ErrorKind.REMOTE_REFUSED, "operator"))
    return {
        name: ProviderError(
            kind, provider=_info(name, llm.providers[name]), called=False, cause=cause
        )
        for name, (kind, cause) in why.items()
    }


def _info(name: str, entry: ProviderEntry) -> ProviderInfo:
    return ProviderInfo(
        name=name,
        kind=ProviderKind(entry.kind),
        locality=Locality.REMOTE if entry.is_cloud else Locality.LOCAL,
    )


def _target(entry: ProviderEntry, upstream: Upstream) -> Target:
    return Target(
        upstream=upstream,
        default_model=entry.model or "",
        aliases=entry.aliases,
        is_listed=upstream.info.locality is Locality.LOCAL,
        allows_remote=entry.may_forward,
        configured_only=entry.serve_models == "configured",
        window_tokens=entry.window_tokens,
    )


def _sites(
    entry: ProviderEntry, made: Mapping[str, ChatProvider], inventory: Inventory
) -> Iterator[Site]:
    for name, adapter in made.items():
        facts = EndpointFacts()
        if adapter.info.locality is Locality.LOCAL:
            reports = entry.reports_model_state
            facts = PolledFacts(inventory, adapter.info.name, name, reports_memory=reports)
        yield Site(name, adapter, facts)


def _settings(entry: ProviderEntry) -> UpstreamSettings:
    return UpstreamSettings(
        max_in_flight=entry.max_in_flight,
        max_in_flight_of_model=entry.max_in_flight_of_model,
        max_queued=entry.max_queued,
        queue_timeout_s=entry.queue_timeout_s,
        queue_advice=entry.queue_advice,
        first_token_s=entry.first_token_timeout_s,
        first_token_with_tools_s=(
            _patient_s(entry, "first_token_timeout_s")
            if entry.kind == "ollama"
            else entry.first_token_timeout_s
        ),
        cold_s=entry.cold_timeout_s,
        idle_s=entry.idle_timeout_s,
        idle_with_features_s=_patient_s(entry, "idle_timeout_s"),
        loads_models=entry.loads_models,
        heals=entry.heals,
    )


def _patient_s(entry: ProviderEntry, name: str) -> float:
    """Return a limit on silence where calls may be held back (docs/failover.md 4.2)."""
    limit_s: float = getattr(entry, name)
    return limit_s if name in entry.model_fields_set else max(limit_s, HOLDS_BACK_S)
