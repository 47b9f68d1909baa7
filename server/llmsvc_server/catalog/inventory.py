"""What each provider has, refreshed in the background. Calls and probes only read it."""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from llmsvc_server.errors import (
    ErrorKind,
    ProviderError,
    ProviderTimeout,
    ProviderUnreachable,
)
from llmsvc_server.providers.abilities import Catalogue, ListsModels
from llmsvc_server.reports import Reporter, Subject, Transition

LOOK_LIMIT_S = 2.0
"""Longest refresh of one provider, and longest that an early call waits for it."""

MISSES_UNTIL_DOWN = 2
REMEMBERED_NAMES = 512
JITTER = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is known of one provider.

    `catalogue` is the last one seen, None before the first; `problem` the last failure to look,
    None after a success; `misses` how many failures in a row.
    """

    catalogue: Catalogue | None = None
    problem: ProviderError | None = None
    misses: int = 0

    @property
    def reachable(self) -> bool:
        """Whether it counts as up: seen, and not missed too often since."""
        return self.catalogue is not None and self.misses < MISSES_UNTIL_DOWN


@dataclass(slots=True)
class _Watched:
    source: ListsModels
    look: Look = field(default_factory=Look)
    looked: asyncio.Event = field(default_factory=asyncio.Event)
    identities: dict[str, str | None] = field(default_factory=dict)

    def identity(self, name: str) -> str | None:
        """Return what `source` says, remembered: a call asks five times for one name."""
        if name in self.identities:
            return self.identities[name]
        if len(self.identities) >= REMEMBERED_NAMES:
            self.identities.clear()
        identity = self.identities[name] = self.source.identity(name)
        return identity


class Inventory:
    """A snapshot per provider."""

    def __init__(self, sources: Mapping[str, ListsModels], reporter: Reporter) -> None:
        """Watch `sources`, by provider name. Nothing is known before the first refresh."""
        self._watched = {name: _Watched(source) for name, source in sources.items()}
        self._reporter = reporter

    def look(self, provider: str) -> Look:
        """Return what is known of `provider`."""
        return self._watched[provider].look

    def unknown(self, provider: str) -> ProviderError | None:
        """Return why nothing at all is known of `provider`; None where its models are known.

        Where a model runs is known only from a catalogue, so before the first one nothing may be
        sent (failover.md 10.2).
        """
        look = self._watched[provider].look
        if look.catalogue is not None:
            return None
        kind = ProviderUnreachable if look.problem is None else type(look.problem)
        return kind(called=False, phase="connect")

    def spelling(self, provider: str, name: str) -> str | None:
        """Return how `provider` spells the model `name`; None where it does not list it."""
        watched = self._watched[provider]
        identity = watched.identity(name)
        if watched.look.catalogue is None or identity is None:
            return None
        return watched.look.catalogue.models.get(identity)

    def same_model(self, provider: str, one: str, other: str) -> bool:
        """Return whether two names mean one model to `provider`."""
        watched = self._watched[provider]
        identity = watched.identity(one)
        return identity is not None and identity == watched.identity(other)

    def is_loaded(self, provider: str, name: str) -> bool:
        """Return whether the last look found the model in memory."""
        watched = self._watched[provider]
        catalogue = watched.look.catalogue
        if catalogue is None or catalogue.loaded is None:
            return False
        return watched.identity(name) in catalogue.loaded

    def forget(self, provider: str, name: str) -> None:
        """Drop a model that the provider has just denied, until a look finds it again."""
        watched = self._watched[provider]
        catalogue = watched.look.catalogue
        identity = watched.identity(name)
        if catalogue is None or identity not in catalogue.models:
            return
        models = {key: value for key, value in catalogue.models.items() if key != identity}
        watched.look = replace(watched.look, catalogue=replace(catalogue, models=models))

    async def first_look(self) -> None:
        """Return once every provider was looked at, at the latest after the look's own limit."""
        waiting = [one.looked for one in self._watched.values() if not one.looked.is_set()]
        if not waiting:
            return
        try:
            async with asyncio.timeout(LOOK_LIMIT_S):
                for looked in waiting:
                    await looked.wait()
        except TimeoutError:
            return

    async def refresh(self, provider: str, *, busy: bool = False) -> None:
        """Look at one provider.

        Args:
            provider: Its name.
            busy: Whether it runs chats for us right now: a slow look then means busy, not down.
        """
        watched = self._watched[provider]
        before = watched.look
        try:
            async with asyncio.timeout(LOOK_LIMIT_S):
                watched.look = Look(catalogue=await watched.source.catalogue())
        except TimeoutError:
            watched.look = _missed(before, ProviderTimeout(phase="connect"), busy=busy)
        except ProviderError as error:
            watched.look = _missed(before, error, busy=busy)
        watched.looked.set()
        self._tell(provider, before, watched.look)

    async def keep_fresh(
        self,
        provider: str,
        *,
        every_s: float,
        busy: Callable[[], bool],
        changed: Callable[[], None],
    ) -> None:
        """Look at one provider for ever, about every `every_s` seconds; call `changed` after each.

        The spread of 10 % keeps many replicas from asking one upstream in step.
        """
        while True:
            await self.refresh(provider, busy=busy())
            changed()
            await asyncio.sleep(every_s * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311

    def _tell(self, provider: str, before: Look, after: Look) -> None:
        state = _state(after)
        if state == _state(before):
            return
        version = after.catalogue.version if after.catalogue and after.reachable else ""
        self._reporter.changed(
            Transition(subject=Subject.PROVIDER, name=provider, state=state, detail=version)
        )


def _missed(before: Look, problem: ProviderError, *, busy: bool) -> Look:
    if busy and problem.kind is ErrorKind.SILENT:
        return before
    wrong_address = problem.kind is ErrorKind.MISCONFIGURED
    misses = MISSES_UNTIL_DOWN if wrong_address else before.misses + 1
    return replace(before, problem=problem, misses=misses)


def _state(look: Look) -> str:
    if look.reachable:
        return "reachable"
    return "unknown" if look.problem is None else look.problem.kind.value
