import pytest

from llmsvc_server.app.greeting import findings, started, warnings
from llmsvc_server.app.providers import NO_WAIT, Providers
from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind
from llmsvc_server.config.settings import Settings
from llmsvc_server.config.sources import load
from llmsvc_server.errors import (
    CredentialRejected,
    ProviderError,
    ProviderMisconfigured,
    ProviderTimeout,
    ProviderUnreachable,
)
from llmsvc_server.routing.plan import Target
from tests.fakes.listening_reporter import ListeningReporter
from tests.fakes.scripted_provider import ScriptedProvider

MOCK = ProviderInfo(name="mock", kind=ProviderKind.MOCK, locality=Locality.LOCAL)


async def found(*sources: ScriptedProvider) -> list[tuple[str, bool]]:
    """Return what is said of providers whose default models are phi3:mini and mock."""
    inventory = Inventory({one.info.name: one for one in sources}, ListeningReporter())
    for one in sources:
        await inventory.refresh(one.info.name)
    models = {"ollama": "phi3:mini", "mock": "mock"}
    targets = tuple(
        Target(provider=one, default_model=models[one.info.name], patience=NO_WAIT)
        for one in sources
    )
    providers = Providers(targets=targets, inventory=inventory, pools={})
    return [(finding.text, finding.good) for finding in findings(providers)]


def mock() -> ScriptedProvider:
    return ScriptedProvider(info=MOCK, models=["mock"])


async def test_who_answers_is_said_and_the_mock_stands_behind() -> None:
    said = await found(ScriptedProvider(models=["phi3:mini"]), mock())

    assert [
        ("ollama answers with phi3:mini", True),
        ("mock gives canned answers where nobody else can", True),
    ] == said


async def test_a_missing_model_is_said_with_its_remedy_and_canned_answers_loudly() -> None:
    (missing, good), (canned, canned_good) = await found(ScriptedProvider(models=["x"]), mock())

    assert "ollama pull phi3:mini" in missing
    assert canned.startswith("CANNED ANSWERS")
    assert (False, False) == (good, canned_good)


@pytest.mark.parametrize(
    ("problem", "remedy"),
    [
        (ProviderUnreachable(), "ollama serve"),
        (ProviderMisconfigured(), "base_url"),
        (CredentialRejected(), "credentials"),
        (ProviderTimeout(), "does not answer"),
    ],
)
async def test_a_provider_that_cannot_be_asked_is_said_with_why(
    problem: ProviderError, remedy: str
) -> None:
    ollama = ScriptedProvider()
    ollama.listing = problem
    ((text, good),) = await found(ollama)

    assert remedy in text
    assert not good


def test_the_start_line_names_address_configuration_and_providers() -> None:
    facts = started(load(None, {}), 50051)

    assert "127.0.0.1:50051" == facts["listen"]
    assert "built-in defaults" == facts["configuration"]
    assert "phi3:mini" in str(facts["providers"])


def test_listening_beyond_loopback_is_warned_of() -> None:
    everywhere = Settings.model_validate({"server": {"listen": "0.0.0.0:1"}})

    assert [] == list(warnings(Settings()))
    assert ["TLS" in text for text in warnings(everywhere)] == [True]
