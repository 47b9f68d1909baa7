"""What an upstream asks of the inventory, remembered until it learns something."""

from llmsvc_server.catalog.facts import MAX_REMEMBERED, EndpointFacts, PolledFacts
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from tests.fakes.scripted_provider import ScriptedProvider, catalogue_of
from tests.fakes.watching import inventory_over


class Watched:
    """One polled endpoint with one model, and the facts of it."""

    def __init__(self, *, reports_memory: bool = True) -> None:
        self.provider = ScriptedProvider(models=["phi3"], loaded=[])
        self.inventory = inventory_over({"ollama": self.provider})
        self.facts = PolledFacts(self.inventory, "ollama", "ollama", reports_memory=reports_memory)

    async def poll(self) -> None:
        await self.inventory.refresh("ollama", "ollama")


def test_who_is_not_polled_is_believed_to_have_all_and_to_have_it_in_memory() -> None:
    facts = EndpointFacts()

    assert facts.has("anything")
    assert facts.is_loaded("anything")
    assert (None, "") == (facts.size_bytes("anything"), facts.busy_until("anything"))


async def test_a_poll_changes_what_is_known() -> None:
    watched = Watched()
    before = watched.facts.has("phi3"), watched.facts.is_loaded("phi3")
    await watched.poll()
    there = [watched.facts.has(model) for model in ("phi3", "", "other", "phi3")]
    cold = [watched.facts.is_loaded("phi3") for _ in range(2)]
    watched.provider.listing = catalogue_of(["phi3"], loaded=["phi3"])
    await watched.poll()
    warm = watched.facts.is_loaded("phi3")
    watched.provider.listing = ProviderError(ErrorKind.CONNECT)
    await watched.poll()
    await watched.poll()

    assert (False, False) == before
    assert [True, True, False, True] == there
    assert ([False, False], True) == (cold, warm)
    assert not watched.facts.has("phi3")


async def test_a_denial_changes_it_at_once() -> None:
    watched = Watched()
    await watched.poll()
    had = watched.facts.has("phi3")
    watched.inventory.forget("ollama", "ollama", "phi3")

    assert had
    assert not watched.facts.has("phi3")


async def test_who_does_not_tell_what_is_in_memory_is_believed_to_have_all_of_it() -> None:
    watched = Watched(reports_memory=False)
    await watched.poll()

    assert watched.facts.is_loaded("phi3")


async def test_it_passes_on_what_a_poll_says_of_size_and_work() -> None:
    watched = Watched()
    await watched.poll()

    assert watched.facts.size_bytes("phi3") is None
    assert "" == watched.facts.busy_until("phi3")
    assert "<PolledFacts: ollama>" == repr(watched.facts)


async def test_callers_names_are_not_remembered_for_ever() -> None:
    watched = Watched()
    await watched.poll()
    for number in range(2 * MAX_REMEMBERED):
        watched.facts.has(f"model-{number}")

    assert len(watched.facts._has) <= MAX_REMEMBERED  # noqa: SLF001  memory is asked
