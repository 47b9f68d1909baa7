from dataclasses import replace

import pytest

from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.abilities import Catalogue, ListedModel
from llmsvc_server.reports import ModelsState
from tests.fakes.listening_reporter import ListeningReporter
from tests.fakes.manual_clock import ManualClock
from tests.fakes.scripted_provider import ScriptedProvider, catalogue_of
from tests.fakes.watching import inventory_of


def watching(provider: ScriptedProvider, reporter: ListeningReporter | None = None) -> Inventory:
    return inventory_of(reporter, ollama=provider)


async def polled(provider: ScriptedProvider) -> Inventory:
    inventory = watching(provider)
    await inventory.refresh("ollama", "ollama")
    return inventory


async def poll(inventory: Inventory, provider: ScriptedProvider, *problems: ProviderError) -> None:
    """Look once for each problem, which the provider then has."""
    for problem in problems:
        provider.listing = problem
        await inventory.refresh("ollama", "ollama")


async def test_before_the_first_look_nothing_is_known_and_nothing_may_be_sent() -> None:
    inventory = watching(ScriptedProvider(models=["phi3"]))
    unknown = inventory.unknown("ollama")

    assert unknown is not None
    assert (ErrorKind.CONNECT, False) == (unknown.kind, unknown.called)
    assert not inventory.last_poll("ollama").reachable
    assert inventory.spelling("ollama", "phi3") is None
    assert not inventory.is_loaded("ollama", "ollama", "phi3")


async def test_a_look_shows_what_there_is_under_any_name_of_it() -> None:
    inventory = await polled(ScriptedProvider(models=["Phi3:latest"], loaded=["phi3"]))

    assert inventory.unknown("ollama") is None
    assert inventory.last_poll("ollama").reachable
    assert "Phi3:latest" == inventory.spelling("ollama", "PHI3")
    assert inventory.is_loaded("ollama", "ollama", "phi3:latest")


@pytest.mark.parametrize("name", ["other", "", " ", "phi3:mini"])
async def test_what_is_not_listed_is_not_there(name: str) -> None:
    inventory = await polled(ScriptedProvider(models=["phi3"], loaded=["phi3"]))

    assert inventory.spelling("ollama", name) is None
    assert not inventory.is_loaded("ollama", "ollama", name)


async def test_a_provider_that_does_not_say_what_is_loaded_has_nothing_loaded() -> None:
    inventory = await polled(ScriptedProvider(models=["phi3"], loaded=None))

    assert not inventory.is_loaded("ollama", "ollama", "phi3")


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
    inventory = await polled(provider)
    states = []
    for listing in (
        ProviderError(ErrorKind.CONNECT),
        ProviderError(ErrorKind.CONNECT),
        catalogue_of(["phi3"]),
    ):
        provider.listing = listing
        await inventory.refresh("ollama", "ollama")
        states.append(inventory.last_poll("ollama").reachable)

    assert [True, False, True] == states


async def test_a_hit_between_two_misses_starts_the_count_again() -> None:
    provider = ScriptedProvider(models=["phi3"])
    inventory = await polled(provider)
    await poll(inventory, provider, ProviderError(ErrorKind.CONNECT))
    provider.listing = catalogue_of(["phi3"])
    await inventory.refresh("ollama", "ollama")
    await poll(inventory, provider, ProviderError(ErrorKind.CONNECT))

    assert inventory.last_poll("ollama").reachable


async def test_a_wrong_address_is_down_at_once() -> None:
    provider = ScriptedProvider(models=["phi3"])
    inventory = await polled(provider)
    await poll(inventory, provider, ProviderError(ErrorKind.MISCONFIGURED))

    assert not inventory.last_poll("ollama").reachable


async def test_misses_keep_what_was_known_for_whoever_asks() -> None:
    provider = ScriptedProvider(models=["phi3"])
    inventory = await polled(provider)
    await poll(
        inventory, provider, ProviderError(ErrorKind.CONNECT), ProviderError(ErrorKind.CONNECT)
    )

    assert "phi3" == inventory.spelling("ollama", "phi3")
    assert inventory.unknown("ollama") is None


async def test_of_a_look_that_failed_nothing_is_kept_but_why() -> None:
    """A list of megabytes was in its frames."""
    provider = ScriptedProvider(models=["phi3"])
    inventory = watching(provider)
    await poll(inventory, provider, ProviderError(ErrorKind.PROTOCOL))
    problem = inventory.last_poll("ollama").problem

    assert problem is not None
    assert problem.__traceback__ is None


async def test_a_provider_never_seen_fails_calls_with_its_own_problem() -> None:
    provider = ScriptedProvider()
    inventory = watching(provider)
    await poll(inventory, provider, ProviderError(ErrorKind.MISCONFIGURED))
    unknown = inventory.unknown("ollama")

    assert isinstance(unknown, ProviderError)
    assert unknown.kind is ErrorKind.MISCONFIGURED
    assert not unknown.called


async def test_what_this_server_lacks_says_nothing_of_a_provider() -> None:
    provider, reporter = ScriptedProvider(models=["phi3"]), ListeningReporter()
    inventory = watching(provider, reporter)
    await poll(inventory, provider, ProviderError(ErrorKind.EXHAUSTED, cause="descriptors"))
    unknown = inventory.unknown("ollama")
    provider.listing = catalogue_of(["phi3"])
    await inventory.refresh("ollama", "ollama")
    told = len(reporter.changes)
    await poll(inventory, provider, *[ProviderError(ErrorKind.EXHAUSTED, cause="descriptors")] * 5)

    assert unknown is not None
    assert (ErrorKind.EXHAUSTED, "descriptors") == (unknown.kind, unknown.cause)
    assert inventory.last_poll("ollama").reachable
    assert told == len(reporter.changes)


async def test_slow_while_chats_run_means_busy_not_down() -> None:
    provider = ScriptedProvider(models=["phi3"])
    inventory = await polled(provider)
    provider.listing = ProviderError(ErrorKind.SILENT)
    for _ in range(5):
        await inventory.refresh("ollama", "ollama", busy=True)
    busy = inventory.last_poll("ollama").reachable
    for _ in range(2):
        await inventory.refresh("ollama", "ollama")

    assert busy
    assert not inventory.last_poll("ollama").reachable


async def test_refused_while_chats_run_means_down_all_the_same() -> None:
    provider = ScriptedProvider(models=["phi3"])
    inventory = await polled(provider)
    provider.listing = ProviderError(ErrorKind.CONNECT)
    for _ in range(2):
        await inventory.refresh("ollama", "ollama", busy=True)

    assert not inventory.last_poll("ollama").reachable


def listing(*names: str, stamp: str = "1") -> Catalogue:
    known = catalogue_of(names)
    models = {name: ListedModel(one.name, stamp) for name, one in known.models.items()}
    return replace(known, models=models)


async def denied(clock: ManualClock, *listings: Catalogue) -> str | None:
    """Deny phi3, look once for each of `listings`, and return what is then known of it."""
    provider = ScriptedProvider()
    provider.listing = listing("phi3", "llama3")
    inventory = inventory_of(clock=clock, ollama=provider)
    await inventory.refresh("ollama", "ollama")
    inventory.forget("ollama", "ollama", "PHI3")
    for one in listings:
        provider.listing = one
        await inventory.refresh("ollama", "ollama")
    assert inventory.spelling("ollama", "llama3")
    return inventory.spelling("ollama", "phi3")


async def test_a_model_that_was_denied_is_passed_over_although_it_is_listed() -> None:
    assert await denied(ManualClock()) is None
    assert await denied(ManualClock(), listing("phi3", "llama3")) is None


async def test_a_denied_model_comes_back_when_it_is_listed_anew_or_has_changed() -> None:
    anew = await denied(ManualClock(), listing("llama3"), listing("phi3", "llama3"))
    changed = await denied(ManualClock(), listing("phi3", "llama3", stamp="2"))

    assert ("phi3", "phi3") == (anew, changed)


async def test_a_denied_model_gets_another_chance_after_five_minutes() -> None:
    clock = ManualClock()
    provider = ScriptedProvider()
    provider.listing = listing("phi3")
    inventory = inventory_of(clock=clock, ollama=provider)
    await inventory.refresh("ollama", "ollama")
    inventory.forget("ollama", "ollama", "phi3")
    clock.advance(299)
    await inventory.refresh("ollama", "ollama")
    before = inventory.spelling("ollama", "phi3")
    clock.advance(1)
    await inventory.refresh("ollama", "ollama")

    assert (None, "phi3") == (before, inventory.spelling("ollama", "phi3"))


async def test_what_one_endpoint_lacks_another_may_have() -> None:
    one, other = (
        ScriptedProvider(models=["phi3"], loaded=["phi3"]),
        ScriptedProvider(models=["llama3"], loaded=[]),
    )
    inventory = Inventory(
        {"ollama": {"ollama#1": one, "ollama#2": other}}, ListeningReporter(), ManualClock()
    )
    await inventory.refresh("ollama", "ollama#1")
    known_early = inventory.spelling("ollama", "llama3")
    await inventory.refresh("ollama", "ollama#2")
    has = [inventory.has("ollama", endpoint, "llama3") for endpoint in ("ollama#1", "ollama#2")]

    assert (None, "llama3") == (known_early, inventory.spelling("ollama", "llama3"))
    assert [False, True] == has
    assert ("phi3", "llama3") == inventory.models("ollama")
    assert inventory.is_loaded("ollama", "ollama#1", "phi3")
    assert not inventory.is_loaded("ollama", "ollama#2", "llama3")
    assert [("ollama", "ollama#1"), ("ollama", "ollama#2")] == list(inventory.endpoints)


async def test_an_endpoint_that_is_down_has_nothing_while_the_other_still_serves() -> None:
    one, other = ScriptedProvider(models=["phi3"]), ScriptedProvider(models=["phi3"])
    inventory = Inventory(
        {"ollama": {"ollama#1": one, "ollama#2": other}}, ListeningReporter(), ManualClock()
    )
    for endpoint in ("ollama#1", "ollama#2"):
        await inventory.refresh("ollama", endpoint)
    one.listing = ProviderError(ErrorKind.CONNECT)
    for _ in range(2):
        await inventory.refresh("ollama", "ollama#1")

    assert not inventory.has("ollama", "ollama#1", "")
    assert inventory.has("ollama", "ollama#2", "phi3")
    assert inventory.last_poll("ollama").reachable


async def test_models_that_run_elsewhere_are_known_as_such() -> None:
    provider = ScriptedProvider()
    provider.listing = replace(catalogue_of(["phi3", "gpt:cloud"]), remote=frozenset({"gpt:cloud"}))
    inventory = inventory_of(ollama=provider)
    before = inventory.runs_remotely("ollama", "gpt:cloud")
    await inventory.refresh("ollama", "ollama")

    assert not before
    assert inventory.runs_remotely("ollama", "gpt:cloud")
    assert not inventory.runs_remotely("ollama", "phi3")


async def test_a_models_size_is_passed_on() -> None:
    provider = ScriptedProvider()
    provider.listing = replace(
        catalogue_of(["phi3"]), models={"phi3:latest": ListedModel("phi3", size_bytes=7)}
    )
    inventory = inventory_of(ollama=provider)
    before = inventory.size_bytes("ollama", "ollama", "phi3")
    await inventory.refresh("ollama", "ollama")

    assert (None, 7) == (before, inventory.size_bytes("ollama", "ollama", "PHI3"))
    assert inventory.size_bytes("ollama", "ollama", "other") is None


async def test_what_moves_when_work_is_done_is_passed_on() -> None:
    provider = ScriptedProvider()
    provider.listing = replace(catalogue_of(["phi3"]), loaded={"phi3:latest": "12:00"})
    inventory = inventory_of(ollama=provider)
    before = inventory.busy_until("ollama", "ollama", "phi3")
    await inventory.refresh("ollama", "ollama")

    assert ("", "12:00") == (before, inventory.busy_until("ollama", "ollama", "PHI3"))
    assert "" == inventory.busy_until("ollama", "ollama", "")


def test_forgetting_at_an_unknown_place_changes_nothing() -> None:
    inventory = inventory_of(ollama=ScriptedProvider())

    inventory.forget("openai", "openai", "gpt")

    assert inventory.last_poll("ollama").catalogue is None


@pytest.mark.parametrize("name", ["other", "", " "])
async def test_forgetting_what_is_not_there_changes_nothing(name: str) -> None:
    inventory = watching(ScriptedProvider(models=["phi3"]))
    inventory.forget("ollama", "ollama", name)
    await inventory.refresh("ollama", "ollama")
    before = inventory.last_poll("ollama")
    inventory.forget("ollama", "ollama", name)

    assert before is inventory.last_poll("ollama")


async def test_a_look_says_whether_it_saw_anything() -> None:
    inventory = await polled(provider := ScriptedProvider(models=["phi3"]))
    seen = await inventory.refresh("ollama", "ollama")
    provider.listing = ProviderError(ErrorKind.CONNECT)
    missed = await inventory.refresh("ollama", "ollama")

    assert (True, False) == (seen, missed)


async def test_only_changes_are_told_with_their_cause() -> None:
    provider, reporter = ScriptedProvider(models=["phi3"], version="0.10.1"), ListeningReporter()
    inventory = watching(provider, reporter)
    for _ in range(2):
        await inventory.refresh("ollama", "ollama")
    await poll(inventory, provider, *[ProviderError(ErrorKind.CONNECT) for _ in range(3)])
    await poll(inventory, provider, ProviderError(ErrorKind.MISCONFIGURED))
    provider.listing = catalogue_of(["phi3"], version="0.11.0")
    await inventory.refresh("ollama", "ollama")
    told = [(change.name, change.state, change.detail) for change in reporter.changes]
    expected = [
        ("ollama", "reachable", "0.10.1"),
        ("ollama", "connect", ""),
        ("ollama", "misconfigured", ""),
        ("ollama", "reachable", "0.11.0"),
    ]

    assert expected == told
    assert {"provider"} == {change.subject for change in reporter.changes}


async def test_a_list_that_is_cut_is_told_once_and_once_when_it_no_longer_is() -> None:
    provider, reporter = ScriptedProvider(), ListeningReporter()
    inventory = watching(provider, reporter)
    for left_out in (0, 7, 9, None, 8, 0, 0):
        whole = catalogue_of(["phi3"])
        cut = None if left_out is None else replace(whole, left_out=left_out)
        provider.listing = cut or ProviderError(ErrorKind.CONNECT)
        await inventory.refresh("ollama", "ollama")
    told = [
        (change.name, change.state, change.detail)
        for change in reporter.changes
        if isinstance(change.state, ModelsState)
    ]

    expected = [("ollama", "left out", "7 beyond health.max_models"), ("ollama", "complete", "")]
    assert expected == told
