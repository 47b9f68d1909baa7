"""What each provider has, refreshed in the background. Calls and probes only read it."""

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from llmsvc_server.chat.deadline import Clock
from llmsvc_server.errors import ProviderError, let_go
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.abilities import Catalogue, ListsModels
from llmsvc_server.reports import ModelsState, PollState, Reporter, Transition

POLL_TIMEOUT_S = 2.0
"""Longest refresh of one provider, and longest that an early call waits for it."""

MISSES_UNTIL_DOWN = 2
REMEMBERED_NAMES = 512
DENIED_S = 300.0
"""How long a model that was denied is passed over, although it is listed."""

JITTER = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """What polls of one provider have come to.

    `catalogue` is the last one seen, None before the first; `problem` the last failure to poll,
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
class _Denial:
    stamp: str
    until_s: float
    was_absent: bool = False


@dataclass(slots=True)
class _Watched:
    source: ListsModels
    clock: Clock
    last_poll: Poll = field(default_factory=Poll)
    polled: asyncio.Event = field(default_factory=asyncio.Event)
    identities: dict[str, str | None] = field(default_factory=dict)
    denied: dict[str, _Denial] = field(default_factory=dict)

    def identity(self, name: str) -> str | None:
        """Return what `source` says, remembered: a call asks five times for one name."""
        if name in self.identities:
            return self.identities[name]
        if len(self.identities) >= REMEMBERED_NAMES:
            self.identities.clear()
        identity = self.identities[name] = self.source.identity(name)
        return identity

    def spelling(self, name: str) -> str | None:
        """Return how the source spells a model that it has, and did not deny of late."""
        identity = self.identity(name)
        if self.last_poll.catalogue is None or identity is None or identity in self.denied:
            return None
        model = self.last_poll.catalogue.models.get(identity)
        return None if model is None else model.name

    def take(self, catalogue: Catalogue) -> None:
        """Take a new catalogue; forgive what it lists anew, or with another stamp."""
        for identity, denial in list(self.denied.items()):
            model = catalogue.models.get(identity)
            if model is None:
                denial.was_absent = True
            elif denial.was_absent or denial.stamp != model.stamp or self.clock() >= denial.until_s:
                del self.denied[identity]
        self.last_poll = Poll(catalogue=catalogue)


class Inventory:
    """A snapshot per endpoint, and what follows from them for each provider.

    Attributes:
        age: Grows whenever something may have become known.
        all_polled: Whether `wait_for_first_poll` has found all there.
    """

    def __init__(
        self,
        sources: Mapping[str, Mapping[str, ListsModels]],
        reporter: Reporter,
        clock: Clock,
    ) -> None:
        """Watch `sources`, by provider and endpoint. Nothing is known before the first refresh."""
        self._providers = {
            provider: {name: _Watched(source, clock) for name, source in endpoints.items()}
            for provider, endpoints in sources.items()
        }
        self._clock = clock
        self._reporter = reporter
        self.age = 0
        self.all_polled = False

    @property
    def endpoints(self) -> Iterator[tuple[str, str]]:
        """Every provider with each of its endpoints."""
        for provider, endpoints in self._providers.items():
            for endpoint in endpoints:
                yield provider, endpoint

    def last_poll(self, provider: str, endpoint: str = "") -> Poll:
        """Return what is known of an endpoint; of the provider's best one where none is named."""
        if endpoint:
            return self._providers[provider][endpoint].last_poll
        polls = [watched.last_poll for watched in self._providers[provider].values()]
        return next((poll for poll in polls if poll.reachable), polls[0])

    def unknown(self, provider: str) -> ProviderError | None:
        """Return why nothing at all is known of `provider`; None where its models are known.

        Where a model runs is known only from a catalogue, so before the first one nothing may be
        sent (docs/privacy.md 2).
        """
        polls = [watched.last_poll for watched in self._providers[provider].values()]
        if any(poll.catalogue is not None for poll in polls):
            return None
        problem = next((poll.problem for poll in polls if poll.problem is not None), None)
        if problem is None:
            return ProviderError(ErrorKind.CONNECT, called=False, phase="connect")
        return ProviderError(problem.kind, called=False, phase="connect", cause=problem.cause)

    def spelling(self, provider: str, name: str) -> str | None:
        """Return how `provider` spells the model `name`; None where no endpoint lists it."""
        found = (watched.spelling(name) for watched in self._providers[provider].values())
        return next((spelling for spelling in found if spelling is not None), None)

    def models(self, provider: str, endpoint: str = "", *, remote: bool = True) -> tuple[str, ...]:
        """Return every model that a provider was last seen with, as it spells them.

        Args:
            provider: The provider's name.
            endpoint: Whose; those of all its endpoints where none is named.
            remote: Whether to name those too that it would have run elsewhere.
        """
        names: dict[str, str] = {}
        endpoints = self._providers[provider]
        for watched in (endpoints[endpoint],) if endpoint else endpoints.values():
            if watched.last_poll.catalogue is not None:
                names |= {
                    identity: model.name
                    for identity, model in watched.last_poll.catalogue.models.items()
                    if identity not in watched.denied
                    and (remote or identity not in watched.last_poll.catalogue.remote)
                }
        return tuple(names.values())

    def places(self, provider: str) -> Mapping[str, Sequence[str]]:
        """Return every model of `models`, and the endpoints that are up and have it."""
        names: dict[str, str] = {}
        there: dict[str, list[str]] = {}
        for endpoint, watched in self._providers[provider].items():
            if watched.last_poll.catalogue is None:
                continue
            for identity, model in watched.last_poll.catalogue.models.items():
                if identity not in watched.denied:
                    names[identity] = model.name
                    at = there.setdefault(identity, [])
                    if watched.last_poll.reachable:
                        at.append(endpoint)
        return {name: there[identity] for identity, name in names.items()}

    def same_model(self, provider: str, one: str, other: str) -> bool:
        """Return whether two names mean one model to `provider`."""
        watched = next(iter(self._providers[provider].values()))
        identity = watched.identity(one)
        return identity is not None and identity == watched.identity(other)

    def runs_remotely(self, provider: str, name: str) -> bool:
        """Return whether an endpoint of `provider` would have the model run elsewhere."""
        return any(
            watched.last_poll.catalogue is not None
            and watched.identity(name) in watched.last_poll.catalogue.remote
            for watched in self._providers[provider].values()
        )

    def has(self, provider: str, endpoint: str, name: str) -> bool:
        """Return whether an endpoint is up and has a model; "" asks for the endpoint alone."""
        watched = self._providers[provider][endpoint]
        if not watched.last_poll.reachable:
            return False
        return not name or watched.spelling(name) is not None

    def is_loaded(self, provider: str, endpoint: str, name: str) -> bool | None:
        """Return whether the last poll found a model in memory; None where it could not tell."""
        watched = self._providers[provider][endpoint]
        catalogue = watched.last_poll.catalogue
        if catalogue is None or catalogue.loaded is None:
            return None
        return watched.identity(name) in catalogue.loaded

    def size_bytes(self, provider: str, endpoint: str, name: str) -> int | None:
        """Return a model's size on disk; None if unknown."""
        watched = self._providers[provider][endpoint]
        catalogue, identity = watched.last_poll.catalogue, watched.identity(name)
        if catalogue is None or identity is None:
            return None
        model = catalogue.models.get(identity)
        return None if model is None else model.size_bytes

    def busy_until(self, provider: str, endpoint: str, name: str) -> str:
        """Return what moves when work on a model in memory is done; empty if unknown."""
        watched = self._providers[provider][endpoint]
        catalogue, identity = watched.last_poll.catalogue, watched.identity(name)
        if catalogue is None or catalogue.loaded is None or identity is None:
            return ""
        return catalogue.loaded.get(identity, "")

    def forget(self, provider: str, endpoint: str, name: str) -> None:
        """Pass over a model that an endpoint has just denied.

        It comes back when a poll lists it anew or with another stamp, or after five minutes.
        """
        watched = self._providers.get(provider, {}).get(endpoint)
        if watched is None:
            return
        identity, catalogue = watched.identity(name), watched.last_poll.catalogue
        model = None if catalogue is None else catalogue.models.get(identity or "")
        if model is None or identity is None:
            return
        watched.denied[identity] = _Denial(model.stamp, self._clock() + DENIED_S)
        self.age += 1

    async def wait_for_first_poll(self) -> None:
        """Return once every endpoint was polled, at the latest after a poll's own limit."""
        waiting = [
            watched.polled
            for endpoints in self._providers.values()
            for watched in endpoints.values()
            if not watched.polled.is_set()
        ]
        if not waiting:
            self.all_polled = True
            return
        try:
            async with asyncio.timeout(POLL_TIMEOUT_S):
                for polled in waiting:
                    await polled.wait()
        except TimeoutError:
            return

    async def refresh(self, provider: str, endpoint: str, *, busy: bool = False) -> bool:
        """Poll one endpoint; return whether it could be seen.

        Args:
            provider: The provider's name.
            endpoint: The endpoint's.
            busy: Whether it runs chats for us right now: a slow poll then means busy, not down.
        """
        watched = self._providers[provider][endpoint]
        before, seen = watched.last_poll, False
        try:
            async with asyncio.timeout(POLL_TIMEOUT_S):
                watched.take(await watched.source.catalogue())
            seen = True
        except TimeoutError:
            watched.last_poll = _count_miss(
                before, ProviderError(ErrorKind.SILENT, phase="connect"), busy=busy
            )
        except ProviderError as error:
            let_go(error)  # it stays until the next poll, and the lists in its frames need not
            watched.last_poll = _count_miss(before, error, busy=busy)
        self.age += 1
        watched.polled.set()
        self._report_state(endpoint, before, watched.last_poll)
        self._report_left_out(endpoint, before, watched.last_poll)
        return seen

    async def keep_fresh(
        self,
        provider: str,
        endpoint: str,
        *,
        every_s: float,
        busy: Callable[[], bool],
        on_poll: Callable[[bool], None],
    ) -> None:
        """Poll one endpoint for ever, about every `every_s` seconds.

        `on_poll` is called after each poll with whether the endpoint could be seen. The spread of
        10 % keeps many replicas from asking one upstream in step.
        """
        while True:
            on_poll(await self.refresh(provider, endpoint, busy=busy()))
            await asyncio.sleep(every_s * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311

    def _report_state(self, endpoint: str, before: Poll, after: Poll) -> None:
        state = _state(after)
        if state == _state(before):
            return
        problem = after.problem.cause if after.problem else ""
        version = after.catalogue.version if after.catalogue else ""
        detail = version if after.reachable else problem
        self._reporter.changed(Transition(name=endpoint, state=state, detail=detail))

    def _report_left_out(self, endpoint: str, before: Poll, after: Poll) -> None:
        """Tell once that a list is longer than what is known of it, and once that it no longer is."""
        left_out = _count_left_out(after)
        if (left_out == 0) == (_count_left_out(before) == 0):
            return
        state = ModelsState.LEFT_OUT if left_out else ModelsState.COMPLETE
        detail = f"{left_out} beyond health.max_models" if left_out else ""
        self._reporter.changed(Transition(name=endpoint, state=state, detail=detail))


def _count_left_out(poll: Poll) -> int:
    return 0 if poll.catalogue is None else poll.catalogue.left_out


def _count_miss(before: Poll, problem: ProviderError, *, busy: bool) -> Poll:
    if busy and problem.kind is ErrorKind.SILENT:
        return before
    if problem.kind is ErrorKind.EXHAUSTED:  # nobody has polled: what was seen is still the latest
        return before if before.catalogue is not None else replace(before, problem=problem)
    wrong_address = problem.kind is ErrorKind.MISCONFIGURED
    misses = MISSES_UNTIL_DOWN if wrong_address else before.misses + 1
    return replace(before, problem=problem, misses=misses)


def _state(poll: Poll) -> PollState | ErrorKind:
    if poll.reachable:
        return PollState.REACHABLE
    return PollState.UNKNOWN if poll.problem is None else poll.problem.kind
