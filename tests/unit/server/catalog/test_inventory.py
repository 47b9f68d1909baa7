import pytest

from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.errors import (
    ErrorKind,
    ProviderError,
    ProviderMisconfigured,
    ProviderTimeout,
    ProviderUnreachable,
)
from llmsvc_server.reports import Subject
from tests.fakes.listening_reporter import ListeningReporter
from tests.fakes.scripted_provider import ScriptedProvider, catalogue_of


def watching(provider: ScriptedProvider, reporter: ListeningReporter | None = None) -> Inventory:
    return Inventory({"ollama": provider}, reporter or ListeningReporter())


async def looked(provider: ScriptedProvider) -> Inventory:
    inventory = watching(provider)
    await inventory.refresh("ollama")
    return inventory


async def look(inventory: Inventory, provider: ScriptedProvider, *problems: ProviderError) -> None:
    """Look once for each problem, which the provider then has."""
    for problem in problems:
        provider.listing = problem
        await inventory.refresh("ollama")


async def test_before_the_first_look_nothing_is_known_and_nothing_may_be_sent() -> None:
    inventory = watching(ScriptedProvider(models=["phi3"]))
    unknown = inventory.unknown("ollama")

    assert unknown is not None
    assert (ErrorKind.CONNECT, False) == (unknown.kind, unknown.called)
    assert not inventory.look("ollama").reachable
    assert inventory.spelling("ollama", "phi3") is None
    assert not inventory.is_loaded("ollama", "phi3")


async def test_a_look_shows_what_there_is_under_any_name_of_it() -> None:
    inventory = await looked(ScriptedProvider(models=["Phi3:latest"], loaded=["phi3"]))

    assert inventory.unknown("ollama") is None
    assert inventory.look("ollama").reachable
    assert "Phi3:latest" == inventory.spelling("ollama", "PHI3")
    assert inventory.is_loaded("ollama", "phi3:latest")


@pytest.mark.parametrize("name", ["other", "", " ", "phi3:mini"])
async def test_what_is_not_listed_is_not_there(name: str) -> None:
    inventory = await looked(ScriptedProvider(models=["phi3"], loaded=["phi3"]))

    assert inventory.spelling("ollama", name) is None
    assert not inventory.is_loaded("ollama", name)


async def test_a_provider_that_does_not_say_what_is_loaded_has_nothing_loaded() -> None:
    inventory = await looked(ScriptedProvider(models=["phi3"], loaded=None))

    assert not inventory.is_loaded("ollama", "phi3")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("phi3", "PHI3:latest", True),
        ("phi3", "phi3:mini", False),
        ("", "", False),
        ("a b", "a b", False),
    ],
)
def test_names_are_compared_by_what_they_mean(one: str, other: str, *, same: bool) -> None:
    assert same == watching(ScriptedProvider()).same_model("ollama", one, other)


async def test_one_miss_is_forgiven_two_are_not_and_one_hit_mends_it() -> None:
    provider = ScriptedProvider(models=["phi3"])
    inventory = await looked(provider)
    states = []
    for listing in (ProviderUnreachable(), ProviderUnreachable(), catalogue_of(["phi3"])):
        provider.listing = listing
        await inventory.refresh("ollama")
        states.append(inventory.look("ollama").reachable)

    assert [True, False, True] == states


async def test_a_hit_between_two_misses_starts_the_count_again() -> None:
    provider = ScriptedProvider(models=["phi3"])
    inventory = await looked(provider)
    await look(inventory, provider, ProviderUnreachable())
    provider.listing = catalogue_of(["phi3"])
    await inventory.refresh("ollama")
    await look(inventory, provider, ProviderUnreachable())

    assert inventory.look("ollama").reachable


async def test_a_wrong_address_is_down_at_once() -> None:
    provider = ScriptedProvider(models=["phi3"])
    inventory = await looked(provider)
    await look(inventory, provider, ProviderMisconfigured())

    assert not inventory.look("ollama").reachable


async def test_misses_keep_what_was_known_for_whoever_asks() -> None:
    provider = ScriptedProvider(models=["phi3"])
    inventory = await looked(provider)
    await look(inventory, provider, ProviderUnreachable(), ProviderUnreachable())

    assert "phi3" == inventory.spelling("ollama", "phi3")
    assert inventory.unknown("ollama") is None


async def test_a_provider_never_seen_fails_calls_with_its_own_problem() -> None:
    provider = ScriptedProvider()
    inventory = watching(provider)
    await look(inventory, provider, ProviderMisconfigured())
    unknown = inventory.unknown("ollama")

    assert isinstance(unknown, ProviderMisconfigured)
    assert not unknown.called


async def test_slow_while_chats_run_means_busy_not_down() -> None:
    provider = ScriptedProvider(models=["phi3"])
    inventory = await looked(provider)
    provider.listing = ProviderTimeout()
    for _ in range(5):
        await inventory.refresh("ollama", busy=True)
    busy = inventory.look("ollama").reachable
    for _ in range(2):
        await inventory.refresh("ollama")

    assert busy
    assert not inventory.look("ollama").reachable


async def test_refused_while_chats_run_means_down_all_the_same() -> None:
    provider = ScriptedProvider(models=["phi3"])
    inventory = await looked(provider)
    provider.listing = ProviderUnreachable()
    for _ in range(2):
        await inventory.refresh("ollama", busy=True)

    assert not inventory.look("ollama").reachable


async def test_a_model_that_was_denied_is_forgotten_until_a_look_finds_it() -> None:
    inventory = await looked(provider := ScriptedProvider(models=["phi3", "llama3"]))
    inventory.forget("ollama", "PHI3")
    forgotten = inventory.spelling("ollama", "phi3")
    others = inventory.spelling("ollama", "llama3")
    provider.listing = catalogue_of(["phi3"])
    await inventory.refresh("ollama")

    assert forgotten is None
    assert "llama3" == others
    assert "phi3" == inventory.spelling("ollama", "phi3")


@pytest.mark.parametrize("name", ["other", "", " "])
async def test_forgetting_what_is_not_there_changes_nothing(name: str) -> None:
    inventory = watching(ScriptedProvider(models=["phi3"]))
    inventory.forget("ollama", name)
    await inventory.refresh("ollama")
    before = inventory.look("ollama")
    inventory.forget("ollama", name)

    assert before is inventory.look("ollama")


async def test_only_changes_are_told_with_their_cause() -> None:
    provider, reporter = ScriptedProvider(models=["phi3"], version="0.10.1"), ListeningReporter()
    inventory = watching(provider, reporter)
    for _ in range(2):
        await inventory.refresh("ollama")
    await look(inventory, provider, *[ProviderUnreachable() for _ in range(3)])
    await look(inventory, provider, ProviderMisconfigured())
    provider.listing = catalogue_of(["phi3"], version="0.11.0")
    await inventory.refresh("ollama")
    told = [(change.name, change.state, change.detail) for change in reporter.changes]
    expected = [
        ("ollama", "reachable", "0.10.1"),
        ("ollama", "connect", ""),
        ("ollama", "misconfigured", ""),
        ("ollama", "reachable", "0.11.0"),
    ]

    assert expected == told
    assert {Subject.PROVIDER} == {change.subject for change in reporter.changes}
