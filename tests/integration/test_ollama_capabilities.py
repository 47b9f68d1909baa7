"""What the adapter finds out about the abilities of a server's models, and who waits for it."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from llmsvc_server.chat.features import Capability
from llmsvc_server.providers.ollama.chat import OllamaProvider
from tests.conformance.subjects import ollama_at
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.ollama_disk import Model
from tests.fakes.ollama_stage import encode
from tests.fakes.ollama_steps import End, Script, end, page, refuse
from tests.fakes.recordings import VERSIONS, recording, replay

SHOW = "/api/show"
TOOLS = frozenset({Capability.TOOLS})
PHI = Model(name="phi3:mini")
QWEN = Model(name="qwen3:4b", capabilities=("completion", "tools"))


@asynccontextmanager
async def exploring(fake: FakeOllama) -> AsyncIterator[OllamaProvider]:
    """Give an adapter that finds out what models can do, once it has looked."""
    async with ollama_at(fake.base_url) as provider, asyncio.TaskGroup() as group:
        task = group.create_task(provider.explore())
        try:
            yield provider
        finally:
            task.cancel()


def shown(fake: FakeOllama) -> list[object]:
    return [one.json["model"] for one in fake.requests(SHOW)]


async def test_a_model_without_tools_is_known_after_a_look() -> None:
    async with FakeOllama(models=(PHI, QWEN)) as fake, exploring(fake) as provider:
        await provider.catalogue()
        await eventually(lambda: provider.missing("phi3:mini", TOOLS) == TOOLS)
        await eventually(lambda: len(fake.requests(SHOW)) == 2)

        assert not provider.missing("qwen3:4b", TOOLS)
        assert TOOLS == provider.missing(" PHI3:Mini ", TOOLS)


async def test_what_nobody_knows_is_not_missing() -> None:
    async with FakeOllama(models=(PHI,)) as fake, exploring(fake) as provider:
        assert not provider.missing("phi3:mini", TOOLS)
        await provider.catalogue()

        assert not provider.missing("other:latest", TOOLS)
        assert not provider.missing("a/b/c/d", TOOLS)


async def test_a_format_is_there_where_tools_are_missing() -> None:
    needs = TOOLS | {Capability.FORCED_CHOICE, Capability.JSON_SCHEMA}
    async with FakeOllama(models=(PHI,)) as fake, exploring(fake) as provider:
        await provider.catalogue()
        await eventually(lambda: provider.missing("phi3:mini", TOOLS) == TOOLS)

        assert TOOLS | {Capability.FORCED_CHOICE} == provider.missing("phi3:mini", needs)


async def test_each_model_is_asked_about_once() -> None:
    async with FakeOllama(models=(PHI, QWEN)) as fake, exploring(fake) as provider:
        for _ in range(3):
            await provider.catalogue()
            await eventually(lambda: len(fake.requests(SHOW)) == 2)
        fake.world.add("llama3.2:latest")
        await provider.catalogue()
        await eventually(lambda: "llama3.2:latest" in shown(fake))

        assert 3 == len(shown(fake))


async def test_no_look_waits_for_it() -> None:
    gate = Gate()
    async with FakeOllama(models=(PHI,)) as fake, exploring(fake) as provider:
        fake.gates[SHOW] = gate
        await provider.catalogue()
        await gate.reached()

        catalogue = await provider.catalogue()

        assert 1 == len(catalogue.models)
        assert not provider.missing("phi3:mini", TOOLS)
        gate.open()
        await eventually(lambda: provider.missing("phi3:mini", TOOLS) == TOOLS)


async def test_models_are_asked_about_one_at_a_time() -> None:
    gate = Gate()
    async with FakeOllama(models=(PHI, QWEN)) as fake, exploring(fake) as provider:
        fake.gates[SHOW] = gate
        await provider.catalogue()
        await gate.reached()
        await provider.catalogue()

        assert 1 == len(shown(fake))
        gate.open()
        await eventually(lambda: len(shown(fake)) == 2)


async def test_models_that_run_elsewhere_are_not_asked_about() -> None:
    stub = Model(name="gpt-oss:20b", remote_host="https://example.org")
    async with FakeOllama(models=(stub, PHI)) as fake, exploring(fake) as provider:
        await provider.catalogue()
        await eventually(lambda: provider.missing("phi3:mini", TOOLS) == TOOLS)

        assert ["phi3:mini"] == shown(fake)


def json(document: object) -> Script:
    return page(200, encode({"capabilities": document}).decode(), "application/json")


@pytest.mark.parametrize(
    "script",
    [
        refuse(404, "model 'phi3:mini' not found"),
        refuse(500, "oh"),
        page(200, "<html>", "text/html"),
        page(200, "{", "application/json"),
        page(200, '{"x":"' + "x" * 1_100_000 + '"}', "application/json"),
        end(End.CUT),
        json(None),
        json("tools"),
        json({"tools": True}),
    ],
)
async def test_what_a_server_does_not_say_well_stays_unknown(script: Script) -> None:
    async with FakeOllama(models=(PHI, QWEN)) as fake, exploring(fake) as provider:
        fake.will(
            script, path=SHOW, when=lambda one: one.json.get("model") == "phi3:mini", times=math.inf
        )
        for _ in range(2):
            await provider.catalogue()
            await eventually(lambda: "qwen3:4b" in shown(fake) and "phi3:mini" in shown(fake))

        assert not provider.missing("phi3:mini", TOOLS)


@pytest.mark.parametrize("odd", [[7, None, "x" * 99, "completion"], [], ["completion"] * 99])
async def test_odd_words_among_capabilities_are_passed_over(odd: object) -> None:
    async with FakeOllama(models=(PHI,)) as fake, exploring(fake) as provider:
        fake.will(json(odd), path=SHOW)
        await provider.catalogue()

        await eventually(lambda: provider.missing("phi3:mini", TOOLS) == TOOLS)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("case", "can"), [("show-tiny-tools", True), ("show-tiny", False)])
async def test_reads_recorded_documents(version: str, case: str, *, can: bool) -> None:
    async with FakeOllama(models=(PHI, QWEN)) as fake, exploring(fake) as provider:
        fake.will(replay(recording(version, case)), path=SHOW, times=math.inf)
        await provider.catalogue()
        await eventually(lambda: len(shown(fake)) == 2)
        await eventually(lambda: can or provider.missing("phi3:mini", TOOLS) == TOOLS)

        assert can == (not provider.missing("phi3:mini", TOOLS))
