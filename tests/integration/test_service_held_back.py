"""A server may hold back whole calls: it is waited for longer, unless the operator says otherwise."""

from typing import Any

import pytest

from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.ollama_disk import Model
from tests.fakes.ollama_steps import silent
from tests.fakes.requests import chat_message
from tests.fakes.running_service import over_ollama, running_service
from tests.integration.calling import failure_of

CALLING = Model(name="phi3:mini", capabilities=("completion", "tools"))
SET: dict[str, Any] = {"first_token_timeout_s": 0.1, "idle_timeout_s": 0.1}


@pytest.mark.parametrize(
    ("entry", "with_tools_s"), [({}, 120), ({"timeout": 300}, 300), (SET, 0.1)]
)
async def test_the_first_token_may_take(entry: dict[str, Any], with_tools_s: float) -> None:
    async with (
        FakeOllama(models=("phi3:mini",)) as fake,
        running_service(over_ollama(fake, **entry)) as service,
    ):
        limits = service.app.providers.upstreams["ollama"].timeouts

        assert with_tools_s == limits.with_tools_s


async def test_a_limit_that_is_set_holds_for_tools_too() -> None:
    async with (
        FakeOllama(models=(CALLING,), loaded=("phi3:mini",)) as fake,
        running_service(over_ollama(fake, **SET)) as service,
    ):
        fake.will(silent())
        request = chat_message()
        request.tools.add().function.name = "f"
        told = await failure_of(service.stub.Chat(request))

    assert "PROVIDER_TIMEOUT" == told.reason
