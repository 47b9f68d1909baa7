"""Every provider: its adapters inside their wrappers, and what is known of them."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import cast

from llmsvc_server.app.adapters import adapters
from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.chat.deadline import Clock
from llmsvc_server.chat.route import Locality, Privacy, ProviderInfo, ProviderKind
from llmsvc_server.config.providers import HostedEntry, MockSettings, ProviderEntry
from llmsvc_server.config.settings import Settings
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.health.refresh import ProviderState
from llmsvc_server.providers.abilities import ListsModels, MayForward, WarmsModels
from llmsvc_server.providers.base import ChatProvider
from llmsvc_server.providers.http.unfinished import Unfinished
from llmsvc_server.providers.shared.shortlist import Bound
from llmsvc_server.reports import BlockState, Reporter, Transition
from llmsvc_server.routing.blocks import Blocks
from llmsvc_server.routing.budget import Patience
from llmsvc_server.routing.endpoint import Endpoint
from llmsvc_server.routing.healing import Healing
from llmsvc_server.routing.loads import LOADS_AT_ONCE, Loads
from llmsvc_server.routing.observed import Observed
from llmsvc_server.routing.pace import Pace
from llmsvc_server.routing.plan import Target, Targets
from llmsvc_server.routing.pooled import Pooled
from llmsvc_server.routing.timed import Timed
from llmsvc_server.routing.warmed import Warmed

LEAST_ATTEMPT_S = {Locality.LOCAL: 1.0, Locality.REMOTE: 2.0}
"""What an attempt is assumed to need where nothing is known yet (docs/failover.md 4.3)."""

MOCK_WAIT_S = 60.0
"""The mock never waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers:
    """What is configured, what is known of it, and the parts in front of it, by provider name."""

    targets: Targets
    inventory: Inventory
    pools: Mapping[str, Pooled]
    blocks: Mapping[str, Blocks]
    endpoints: Mapping[str, tuple[Endpoint, ...]]
    loads: Mapping[str, Loads]
    warm_on_start: Mapping[str, tuple[str, ...]]
    healings: Mapping[str, Healing]
    may_forward: Mapping[str, MayForward]
    addresses: Mapping[str, str]

    @property
    def states(self) -> Iterator[ProviderState]:
        """Every provider with its breakers and blocks, the sequence first."""
        for in_sequence, targets in (
            (True, self.targets.sequence),
            (False, self.targets.others.values()),
        ):
            for target in targets:
                name = target.provider.info.name
                yield ProviderState(
                    target=target,
                    in_sequence=in_sequence,
                    endpoints=self.endpoints.get(name, ()),
                    blocks=self.blocks.get(name),
                )

    def looked(self, provider: str, endpoint: str, *, seen: bool) -> None:
        """Take in what a look at one endpoint found, if it saw anything."""
        if seen:
            for one in self.endpoints.get(provider, ()):
                if one.name == endpoint:
                    one.was_seen()
            if endpoint in self.loads:
                self.loads[endpoint].looked()
            if endpoint in self.healings:
                self.healings[endpoint].looked()
        if provider in self.pools:
            self.pools[provider].changed()

    def busy(self, provider: str, endpoint: str = "") -> bool:
        """Return whether an endpoint runs chats for us now; any of the provider's if none is named."""
        return any(
            one.in_flight > 0
            for one in self.endpoints.get(provider, ())
            if endpoint in {"", one.name}
        )

    async def warm(self) -> None:
        """Load what is to be in memory from the start, once it is known who has it."""
        await self.inventory.wait_for_first_poll()
        for endpoint, names in self.warm_on_start.items():
            provider = endpoint.partition("#")[0]
            for name in names:
                if self.inventory.has(provider, endpoint, name):
                    model = self.inventory.spelling(provider, name) or name
                    self.loads[endpoint].begin(model)

    def close(self) -> None:
        """Send everybody who waits for a place away."""
        for pool in self.pools.values():
            pool.close()


@dataclass(slots=True, kw_only=True)
class _Parts:
    """What the providers share while they are put together."""

    inventory: Inventory
    start: Callable[[Coroutine[object, object, None]], object]
    reporter: Reporter
    clock: Clock
    judged_by: Clock
    chance: random.Random
    loads_at_once: asyncio.Semaphore
    pools: dict[str, Pooled] = field(default_factory=dict)
    blocks: dict[str, Blocks] = field(default_factory=dict)
    endpoints: dict[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    loads: dict[str, Loads] = field(default_factory=dict)
    healings: dict[str, Healing] = field(default_factory=dict)


async def build_providers(  # noqa: PLR0913  plain parts, by keyword
    settings: Settings,
    stack: AsyncExitStack,
    *,
    unfinished: Unfinished,
    reporter: Reporter,
    clock: Clock,
    judged_by: Clock,
    start: Callable[[Coroutine[object, object, None]], object],
) -> Providers:
    """Return every active provider, each in its wrappers.

    Args:
        settings: Names the providers and their order.
        stack: Closes their connections.
        unfinished: Counts what they have begun to send.
        reporter: Takes their reports.
        clock: The loop's.
        judged_by: What breakers, blocks and denials go by.
        start: Runs a coroutine that belongs to no call.
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
    parts = _Parts(
        inventory=Inventory(sources, reporter, judged_by),
        start=start,
        reporter=reporter,
        clock=clock,
        judged_by=judged_by,
        chance=random.Random(),  # noqa: S311  spreads waits, guards nothing
        loads_at_once=asyncio.Semaphore(LOADS_AT_ONCE),
    )
    targets = {name: _target(name, entry, made[name], parts) for name, entry in entries.items()}
    return Providers(
        targets=Targets(
            sequence=[targets[name] for name in llm.candidates],
            others={name: targets[name] for name in llm.others},
            withheld=_withheld(settings),
            privacy=Privacy(llm.operator_privacy),
        ),
        inventory=parts.inventory,
        pools=parts.pools,
        blocks=parts.blocks,
        endpoints=parts.endpoints,
        loads=parts.loads,
        warm_on_start={
            endpoint: entry.models_to_warm
            for name, entry in entries.items()
            for endpoint in made[name]
        },
        healings=parts.healings,
        may_forward={
            endpoint: cast("MayForward", adapter)
            for name, of_one in made.items()
            if entries[name].reports_model_state
            for endpoint, adapter in of_one.items()
        },
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


def _target(
    name: str, entry: ProviderEntry, made: Mapping[str, ChatProvider], parts: _Parts
) -> Target:
    info = next(iter(made.values())).info
    pace = Pace(least_s=LEAST_ATTEMPT_S[info.locality])
    if isinstance(entry, MockSettings):
        patience = Patience(
            first_token_s=MOCK_WAIT_S,
            cold_s=MOCK_WAIT_S,
            is_loaded=lambda _model: True,
            pace=pace,
            reads_prompts=False,
        )
        return Target(
            provider=_observed(made[name], pace, parts),
            default_model=entry.model,
            patience=patience,
        )
    endpoints = _endpoints(name, entry, made, parts)
    loads = _loads(name, entry, made, endpoints, parts)
    is_local = info.locality is Locality.LOCAL
    patience = Patience(
        first_token_s=entry.first_token_timeout_s,
        cold_s=entry.cold_timeout_s,
        is_loaded=partial(_is_loaded_anywhere, loads),
        pace=pace,
        reads_prompts=is_local,
    )
    pool = parts.pools[name] = Pooled(
        info,
        endpoints,
        max_queued=entry.max_queued,
        queue_timeout_s=entry.queue_timeout_s,
        patience=patience,
        is_loaded=lambda endpoint, model: endpoint not in loads or loads[endpoint].is_loaded(model),
        advice=entry.queue_advice,
        clock=parts.clock,
        chance=parts.chance,
        reporter=parts.reporter,
    )
    provider: ChatProvider = Warmed(pool, loads, patience=patience) if loads else pool
    return Target(
        provider=_observed(provider, pace, parts),
        default_model=entry.model or "",
        aliases=entry.aliases,
        is_listed=is_local,
        allows_remote=entry.may_forward,
        configured_only=entry.serve_models == "configured",
        window_tokens=entry.window_tokens,
        patience=patience,
        refusal=pool.refusal,
    )


def _observed(provider: ChatProvider, pace: Pace, parts: _Parts) -> ChatProvider:
    return Observed(provider, pace=pace, reporter=parts.reporter, clock=parts.clock)


def _endpoints(
    name: str, entry: HostedEntry, made: Mapping[str, ChatProvider], parts: _Parts
) -> tuple[Endpoint, ...]:
    blocks = parts.blocks[name] = Blocks(
        clock=parts.judged_by, changed=partial(_tell_block, parts.reporter, name)
    )
    per_model = entry.max_in_flight_of_model
    parts.endpoints[name] = tuple(
        Endpoint(
            endpoint,
            Timed(adapter, idle_s=entry.idle_timeout_s),
            places=max(per_model, entry.max_in_flight),
            places_per_model=per_model,
            knows=(
                partial(parts.inventory.has, name, endpoint)
                if adapter.info.locality is Locality.LOCAL
                else _always
            ),
            blocks=blocks,
            clock=parts.judged_by,
            chance=parts.chance,
            reporter=parts.reporter,
        )
        for endpoint, adapter in made.items()
    )
    return parts.endpoints[name]


def _loads(
    name: str,
    entry: HostedEntry,
    made: Mapping[str, ChatProvider],
    endpoints: tuple[Endpoint, ...],
    parts: _Parts,
) -> Mapping[Endpoint, Loads]:
    """Return the loads of each endpoint; none for clouds, which load by themselves."""
    if next(iter(made.values())).info.locality is not Locality.LOCAL:
        return {}
    loads = {
        endpoint: Loads(
            endpoint.name,
            cast("WarmsModels", made[endpoint.name]),
            # Who does not tell what is in memory is believed to have all of it.
            is_loaded=partial(_seen_loaded, parts.inventory, name, endpoint.name)
            if entry.reports_model_state
            else _always,
            start=parts.start,
            at_once=parts.loads_at_once,
            failed=endpoint.load_failed,
            clock=parts.clock,
            reporter=parts.reporter,
            size_bytes=partial(parts.inventory.size_bytes, name, endpoint.name),
        )
        for endpoint in endpoints
    }
    parts.loads |= {endpoint.name: one for endpoint, one in loads.items()}
    if entry.heals:
        parts.healings |= {
            endpoint.name: Healing(
                endpoint,
                one,
                cast("WarmsModels", made[endpoint.name]),
                busy_until=partial(parts.inventory.busy_until, name, endpoint.name),
                start=parts.start,
                clock=parts.judged_by,
                reporter=parts.reporter,
            )
            for endpoint, one in loads.items()
        }
    return loads


def _seen_loaded(inventory: Inventory, provider: str, endpoint: str, model: str) -> bool:
    # What runs elsewhere has no load here.
    return bool(inventory.is_loaded(provider, endpoint, model)) or inventory.runs_remotely(
        provider, model
    )


def _is_loaded_anywhere(loads: Mapping[Endpoint, Loads], model: str) -> bool:
    for one in loads.values():
        if one.is_loaded(model):
            return True
    return not loads


def _always(_model: str) -> bool:
    return True


def _tell_block(reporter: Reporter, provider: str, error: ProviderError, state: BlockState) -> None:
    reporter.changed(Transition(name=provider, state=state, detail=error.kind.value))
