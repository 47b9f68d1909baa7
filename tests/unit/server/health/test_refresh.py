import pytest

from llmsvc_server.catalog.facts import EndpointFacts, PolledFacts
from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.health.refresh import OVERLOOKED_S, ProviderState, collect_facts
from llmsvc_server.health.verdict import ProviderFacts
from llmsvc_server.routing.targets import Target
from llmsvc_server.upstreams.breaker import STREAK
from llmsvc_server.upstreams.settings import Site
from llmsvc_server.upstreams.upstream import Upstream
from tests.fakes.listening_reporter import ListeningReporter
from tests.fakes.manual_clock import ManualClock
from tests.fakes.scripted_provider import ScriptedProvider
from tests.fakes.upstreams import settings, surroundings
from tests.fakes.watching import inventory_over

CLOUD = ProviderInfo(name="openai", kind=ProviderKind.OPENAI, locality=Locality.REMOTE)


class Watched:
    """One provider with one endpoint, and what health reads of it."""

    def __init__(self, provider: ScriptedProvider, default_model: str = "phi3") -> None:
        self.clock = ManualClock()
        self.provider = provider
        name = provider.info.name
        is_local = provider.info.locality is Locality.LOCAL
        self.inventory = inventory_over({name: provider} if is_local else {}, clock=self.clock)
        facts = EndpointFacts()
        if is_local:
            facts = PolledFacts(self.inventory, name, name, reports_memory=False)
        self.upstream = Upstream(
            provider.info,
            [Site(name, provider, facts)],
            settings(loads_models=False),
            surroundings(self.clock, ListeningReporter()),
        )
        (self.endpoint,) = self.upstream.endpoints
        self.target = Target(
            upstream=self.upstream, default_model=default_model, is_listed=is_local
        )

    async def look(self, times: int = 1) -> None:
        for _ in range(times):
            await self.inventory.refresh(self.provider.info.name, self.provider.info.name)

    def trip(self, model: str) -> None:
        """Open the breaker of `model`; "" for that of connections."""
        for _ in range(STREAK):
            permit = self.endpoint.breaker_of(model).permit()
            permit.breaker.take_failure(permit, ErrorKind.TRANSIENT)

    def collect_facts(self) -> ProviderFacts:
        state = ProviderState(target=self.target, in_sequence=True)
        (fact,) = collect_facts([state], self.inventory)
        return fact

    def seen(self) -> tuple[bool, bool, bool]:
        """Return whether it is called, serves its default model, and counts as ready."""
        fact = self.collect_facts()
        return fact.can_be_called, fact.serves_default, fact.ready


def local(*models: str) -> Watched:
    return Watched(ScriptedProvider(models=models))


def cloud() -> Watched:
    return Watched(ScriptedProvider(info=CLOUD), "gpt-4o-mini")


async def test_before_the_first_look_nothing_is_known() -> None:
    watched = local("Phi3:latest")

    assert (False, False, False) == watched.seen()
    assert {} == watched.collect_facts().models


async def test_a_model_is_there_under_any_of_its_names() -> None:
    watched = local("Phi3:latest")
    await watched.look()

    assert (True, True, True) == watched.seen()
    assert {"Phi3:latest": True} == watched.collect_facts().models


async def test_a_provider_without_the_model_is_called_and_does_not_serve_it() -> None:
    watched = local()
    await watched.look()

    assert (True, False, False) == watched.seen()


async def test_who_went_away_keeps_the_names_of_its_models() -> None:
    watched = local("Phi3:latest")
    await watched.look()
    watched.provider.listing = ProviderError(ErrorKind.CONNECT)
    await watched.look(2)

    assert (False, False, False) == watched.seen()
    assert {"Phi3:latest": False} == watched.collect_facts().models


async def test_one_missed_look_changes_nothing() -> None:
    watched = local("Phi3:latest")
    await watched.look()
    watched.provider.listing = ProviderError(ErrorKind.CONNECT)
    await watched.look()

    assert (True, True, True) == watched.seen()


async def test_a_cloud_is_called_until_something_speaks_against_it() -> None:
    assert (True, True, True) == cloud().seen()


async def test_readiness_overlooks_an_open_breaker_for_a_moment() -> None:
    watched = local("phi3")
    await watched.look()
    watched.trip("phi3")
    at_once = watched.seen()
    watched.provider.listing = ProviderError(
        ErrorKind.CONNECT
    )  # the free check fails: it stays open
    await watched.look(2)
    watched.clock.advance(OVERLOOKED_S)

    assert (False, False, True) == at_once
    assert (False, False, False) == watched.seen()


async def test_an_open_breaker_of_another_model_takes_that_one_away_only() -> None:
    watched = local("phi3", "llama3")
    await watched.look()
    watched.trip("llama3")

    assert (True, True, True) == watched.seen()
    assert {"phi3": True, "llama3": False} == watched.collect_facts().models


async def test_an_open_breaker_of_connections_takes_the_whole_provider_away() -> None:
    watched = cloud()
    watched.trip("")

    assert (False, False, True) == watched.seen()


async def test_a_breaker_that_tries_again_counts_as_serving() -> None:
    watched = cloud()
    watched.trip("gpt-4o-mini")
    watched.clock.advance(OVERLOOKED_S)

    assert (True, True, True) == watched.seen()


@pytest.mark.parametrize("error", [ProviderError(ErrorKind.CREDENTIAL)])
async def test_a_block_takes_it_away_at_once(error: ProviderError) -> None:
    watched = cloud()
    watched.endpoint.take_failure(error, "gpt-4o-mini", is_trouble=False)

    assert (False, False, False) == watched.seen()


async def test_asking_about_models_makes_no_breakers_and_loses_none() -> None:
    names = [f"m{number}" for number in range(1_000)]
    watched = local("phi3", *names)
    await watched.look()
    watched.trip("phi3")
    used = watched.endpoint.breaker_of("m0")
    _, fact = watched.collect_facts(), watched.collect_facts()

    assert (False, True) == (fact.models["phi3"], fact.models["m999"])
    assert used is watched.endpoint.breaker_of("m0")
