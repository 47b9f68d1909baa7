"""The fake's models, memory and strictness, as docs/facts/ollama.md tells them of real servers."""

import asyncio
import json

import aiohttp
import pytest

from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.manual_clock import ManualClock
from tests.fakes.ollama_checks import Generation
from tests.unit.fakes.asking import ask, content, error


async def _names(session: aiohttp.ClientSession, fake: FakeOllama, path: str) -> list[str]:
    async with session.get(fake.base_url + path) as response:
        return [model["name"] for model in (await response.json())["models"]]


async def test_lists_models_as_they_come_and_go(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    fake.world.add("llama3.2")
    before = await _names(session, fake, "/api/tags")
    fake.world.remove("phi3:mini")

    assert before == ["llama3.2:latest", "phi3:mini"]
    assert await _names(session, fake, "/api/tags") == ["llama3.2:latest"]


async def test_a_model_leaves_memory_when_its_time_is_over(session: aiohttp.ClientSession) -> None:
    clock = ManualClock()
    async with FakeOllama(models=("phi3:mini",), clock=clock) as fake:
        await ask(session, fake.base_url, keep_alive="10m")
        clock.advance(599)
        before = await _names(session, fake, "/api/ps")
        clock.advance(2)
        after = await _names(session, fake, "/api/ps")

    assert (["phi3:mini"], []) == (before, after)


async def test_ten_chats_of_a_cold_model_load_it_once(session: aiohttp.ClientSession) -> None:
    async with FakeOllama(models=("phi3:mini",), num_parallel=4) as fake:
        gate = fake.world.load_gate = Gate()
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(ask(session, fake.base_url)) for _ in range(10)]
            await fake.received(10)
            gate.open()

        assert fake.world.loads_started == 1
        assert {200} == {task.result()[0] for task in asking}


@pytest.mark.parametrize(
    ("generation", "listed"), [(Generation.OLDEST, ["phi3:mini"]), (Generation.OLD, [])]
)
async def test_lists_a_loading_model_as_its_generation_does(
    generation: Generation, listed: list[str], session: aiohttp.ClientSession
) -> None:
    async with FakeOllama(models=("phi3:mini",), generation=generation) as fake:
        gate = fake.world.load_gate = Gate()
        async with asyncio.TaskGroup() as group:
            group.create_task(ask(session, fake.base_url))
            await gate.reached()
            while_loading = await _names(session, fake, "/api/ps")
            gate.open()

    assert listed == while_loading


async def test_refuses_when_too_many_wait_for_a_load(session: aiohttp.ClientSession) -> None:
    async with FakeOllama(models=("phi3:mini",), max_queue=1) as fake:
        gate = fake.world.load_gate = Gate()
        async with asyncio.TaskGroup() as group:
            group.create_task(ask(session, fake.base_url))
            await gate.reached()
            status, body = await ask(session, fake.base_url)
            gate.open()

    assert status == 503
    assert error(body).startswith("server busy, please try again.  maximum pending")


async def test_another_window_costs_a_counted_reload(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    for num_ctx in (4096, 4096, 8192):
        await ask(session, fake.base_url, options={"num_ctx": num_ctx})

    assert (2, 1) == (fake.world.loads_started, fake.world.reloads)


async def test_a_reload_waits_for_running_work(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    gate = fake.conversation.first_token_gate = Gate()
    async with asyncio.TaskGroup() as group:
        group.create_task(ask(session, fake.base_url, options={"num_ctx": 4096}))
        await gate.reached()
        group.create_task(ask(session, fake.base_url, options={"num_ctx": 8192}))
        await fake.received(2)
        loads_meanwhile = fake.world.loads_started
        gate.open()

    assert (1, 2) == (loads_meanwhile, fake.world.loads_started)


async def test_unloads_once_running_work_is_finished(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    gate = fake.conversation.first_token_gate = Gate()
    async with asyncio.TaskGroup() as group:
        group.create_task(ask(session, fake.base_url))
        await gate.reached()
        _, reply = await ask(session, fake.base_url, messages=[], keep_alive=0)
        meanwhile = await _names(session, fake, "/api/ps")
        gate.open()

    assert json.loads(reply)["done_reason"] == "unload"
    assert (["phi3:mini"], []) == (meanwhile, await _names(session, fake, "/api/ps"))


async def test_the_second_chat_waits_for_the_only_slot(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    gate = fake.conversation.first_token_gate = Gate()
    async with asyncio.TaskGroup() as group:
        group.create_task(ask(session, fake.base_url))
        await gate.reached()
        group.create_task(ask(session, fake.base_url))
        await fake.received(2)
        arrivals_meanwhile = gate.arrivals
        gate.open()

    assert (1, 2) == (arrivals_meanwhile, gate.arrivals)


async def test_a_script_does_not_excuse_a_malformed_request(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    fake.will()

    status, body = await ask(session, fake.base_url, keep_alive="300")

    assert (400, 'time: missing unit in duration "300"') == (status, error(body))


async def test_echoes_the_spelling_of_the_request(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    _, body = await ask(session, fake.base_url, model="PHI3:Mini")

    assert json.loads(body.splitlines()[0])["model"] == "PHI3:Mini"
    assert content(body) == fake.conversation.answer


async def test_a_mistake_inside_the_fake_fails_its_test(session: aiohttp.ClientSession) -> None:
    async def mistake(_: object) -> None:
        raise ZeroDivisionError

    async def run() -> None:
        async with FakeOllama(models=("phi3:mini",)) as fake:
            fake.will(mistake)
            await ask(session, fake.base_url)

    with pytest.raises(ExceptionGroup, match="inside the fake Ollama"):
        await run()
