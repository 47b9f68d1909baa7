from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.errors import ProviderUnreachable
from llmsvc_server.health.refresh import facts
from llmsvc_server.health.verdict import ProviderFacts
from llmsvc_server.routing.budget import Patience
from llmsvc_server.routing.plan import Target
from tests.fakes.listening_reporter import ListeningReporter
from tests.fakes.scripted_provider import LOCAL_OLLAMA, ScriptedProvider

PATIENCE = Patience(first_token_s=60, cold_s=300, is_loaded=lambda _model: True)


def served_by(provider: ScriptedProvider, default_model: str) -> tuple[Inventory, list[Target]]:
    inventory = Inventory({"ollama": provider}, ListeningReporter())
    target = Target(provider=provider, default_model=default_model, patience=PATIENCE)
    return inventory, [target]


def known(
    *, reachable: bool, serves_default: bool, models: tuple[str, ...] = ("Phi3:latest",)
) -> list[ProviderFacts]:
    fact = ProviderFacts(
        info=LOCAL_OLLAMA,
        reachable=reachable,
        serves_default=serves_default,
        default_model="phi3",
        models=models,
    )
    return [fact]


async def test_before_the_first_look_nothing_is_known() -> None:
    inventory, targets = served_by(ScriptedProvider(models=["Phi3:latest"]), "phi3")

    assert known(reachable=False, serves_default=False, models=()) == facts(targets, inventory)


async def test_a_model_is_there_under_any_of_its_names() -> None:
    inventory, targets = served_by(ScriptedProvider(models=["Phi3:latest"]), "phi3")
    await inventory.refresh("ollama")

    assert known(reachable=True, serves_default=True) == facts(targets, inventory)


async def test_a_provider_without_the_model_is_reachable_and_does_not_serve() -> None:
    inventory, targets = served_by(ScriptedProvider(), "phi3")
    await inventory.refresh("ollama")

    assert known(reachable=True, serves_default=False, models=()) == facts(targets, inventory)


async def test_who_went_away_keeps_the_names_of_its_models() -> None:
    provider = ScriptedProvider(models=["Phi3:latest"])
    inventory, targets = served_by(provider, "phi3")
    await inventory.refresh("ollama")
    provider.listing = ProviderUnreachable()
    await inventory.refresh("ollama")
    await inventory.refresh("ollama")

    assert known(reachable=False, serves_default=False) == facts(targets, inventory)


async def test_reading_the_facts_asks_nobody() -> None:
    provider = ScriptedProvider(models=["phi3"])
    inventory, targets = served_by(provider, "phi3")
    await inventory.refresh("ollama")
    for _ in range(10):
        _ = facts(targets, inventory)

    assert 1 == provider.listings
