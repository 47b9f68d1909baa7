"""What entries of the configuration become in the running service."""

import asyncio

import pytest

from llmsvc_server.app.startup_report import describe_start
from llmsvc_server.config.settings import Settings
from llmsvc_server.config.sources import Loaded
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.requests import chat_message
from tests.fakes.running_service import Tree, over_ollama, running_service
from tests.integration.calling import failure_of, whole


async def test_models_can_be_loaded_at_start() -> None:
    async with (
        FakeOllama(models=("phi3:mini", "qwen:latest")) as fake,
        running_service(over_ollama(fake, warm_on_start=["QWEN", "gone"])) as service,
    ):
        await eventually(
            lambda: (
                service.app.providers.upstreams["ollama"]
                .endpoints[0]
                .loads.is_loaded("qwen:latest")
            )
        )
        loaded = [move.json["model"] for move in fake.moves]

    assert ["qwen:latest"] == loaded


@pytest.mark.parametrize("heals", [True, False])
async def test_healing_can_be_switched_off(*, heals: bool) -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake, heal_wedged_models=heals)) as service,
    ):
        (endpoint,) = service.app.providers.upstreams["ollama"].endpoints
        assert repr(endpoint.wedges).startswith(f"<WedgeDetector: {'on' if heals else 'off'}")


async def test_an_entry_without_a_key_is_said_to_be_misconfigured_where_it_is_named() -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake:
        llm = over_ollama(fake)
        assert isinstance(llm["providers"], dict)
        llm["providers"]["openai"] = {"kind": "openai"}
        llm["providers"]["vllm"] = {"kind": "openai", "local": True, "base_url": "http://127.0.0.1"}
        llm = {**llm, "fallback_sequence": ["openai"]}
        async with running_service(llm) as service:
            request = chat_message()
            request.routing_policy.targets.add(provider="openai")
            request.routing_policy.targets.add(provider="vllm")
            failure = await failure_of(service.stub.Chat(request))

    assert ("FAILED_PRECONDITION", "PROVIDER_MISCONFIGURED") == (failure.code, failure.reason)


async def test_a_pool_answers_from_whoever_is_there() -> None:
    async with FakeOllama(models=("phi3:mini",)) as one, FakeOllama(models=("phi3:mini",)) as other:
        one.stop_listening()
        entry = {"kind": "ollama", "base_urls": [one.base_url, other.base_url]}
        async with running_service(
            {"providers": {"ollama": entry}, "default_provider": "ollama"}
        ) as service:
            assert other.conversation.answer == await whole(service)


async def test_a_pool_runs_a_chat_at_each_address_that_has_the_model_in_memory() -> None:
    names = ("phi3:mini",)
    async with (
        FakeOllama(models=names, loaded=names) as one,
        FakeOllama(models=names, loaded=names) as other,
    ):
        entry = {"kind": "ollama", "base_urls": [one.base_url, other.base_url]}
        async with running_service(
            {"providers": {"ollama": entry}, "default_provider": "ollama"}
        ) as service:
            await asyncio.gather(*(whole(service) for _ in range(20)))

    assert one.chats
    assert other.chats
    assert (1, 1) == (one.most_in_flight, other.most_in_flight)


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        (
            {"kind": "openai", "model": "gpt", "api_key": "k"},
            "it: gpt at https://api.openai.com/v1",
        ),
        ({"kind": "mock", "enabled": True}, "it: mock"),
        (
            {"kind": "ollama", "base_urls": ["http://10.0.0.1:1", "http://10.0.0.2:1"]},
            "it: phi3:mini at http://10.0.0.1:1 and http://10.0.0.2:1, 1 at a time, others wait",
        ),
    ],
)
def test_the_start_line_tells_where_each_provider_is(entry: Tree, shown: str) -> None:
    llm = {"providers": {"it": entry}, "default_provider": "it"}
    settings = Settings.model_validate({"llm": llm})

    facts = describe_start(Loaded(settings=settings, source="x", origins={}), {})

    assert [shown] == facts["providers"]
    assert "k" not in str(facts).split()
