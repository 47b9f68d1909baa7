import asyncio

import aiohttp
import pytest

from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.faulty_tcp import FaultyTcp, Mode
from tests.unit.fakes.asking import ask, content


@pytest.mark.parametrize("mode", [Mode.PASS, Mode.BYTE_BY_BYTE])
async def test_passes_answers(mode: Mode, fake: FakeOllama, session: aiohttp.ClientSession) -> None:
    async with FaultyTcp(mode, target_port=fake.port) as tcp:
        _, body = await ask(session, tcp.base_url)

    assert content(body) == fake.conversation.answer


async def test_a_black_hole_reads_and_says_nothing(session: aiohttp.ClientSession) -> None:
    async with FaultyTcp(Mode.BLACK_HOLE) as tcp, asyncio.TaskGroup() as group:
        asking = group.create_task(ask(session, tcp.base_url))
        await eventually(lambda: tcp.received.endswith(b"}"))
        answered = asking.done()
        asking.cancel()
        await eventually(lambda: tcp.open_connections == 0)

    assert not answered


@pytest.mark.parametrize("mode", [Mode.CLOSE, Mode.RESET])
async def test_loses_a_connection_before_any_byte(
    mode: Mode, session: aiohttp.ClientSession
) -> None:
    async with FaultyTcp(mode) as tcp:
        with pytest.raises(aiohttp.ClientConnectionError):
            await ask(session, tcp.base_url)

        assert tcp.accepted == 1


async def test_answers_in_another_protocol(session: aiohttp.ClientSession) -> None:
    async with FaultyTcp(Mode.NOT_HTTP) as tcp:
        with pytest.raises(aiohttp.ClientResponseError):
            await ask(session, tcp.base_url)


async def test_truncates(fake: FakeOllama, session: aiohttp.ClientSession) -> None:
    async with FaultyTcp(Mode.TRUNCATE, target_port=fake.port, truncate_after_bytes=400) as tcp:
        with pytest.raises(aiohttp.ClientPayloadError):
            await ask(session, tcp.base_url)


async def test_holds_an_answer_until_told(fake: FakeOllama, session: aiohttp.ClientSession) -> None:
    async with FaultyTcp(Mode.HOLD, target_port=fake.port) as tcp, asyncio.TaskGroup() as group:
        asking = group.create_task(ask(session, tcp.base_url))
        await tcp.gate.reached()
        answered = asking.done()
        tcp.gate.open()
        await asking

    assert not answered
    assert asking.result()[0] == 200


async def test_refuses_and_accepts_again(fake: FakeOllama, session: aiohttp.ClientSession) -> None:
    async with FaultyTcp(Mode.PASS, target_port=fake.port) as tcp:
        tcp.refuse()
        with pytest.raises(aiohttp.ClientConnectorError):
            await ask(session, tcp.base_url)
        await tcp.accept()

        assert (await ask(session, tcp.base_url))[0] == 200


async def test_a_client_that_leaves_is_told_to_the_server_behind(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    async with FaultyTcp(Mode.HOLD, target_port=fake.port) as tcp, asyncio.TaskGroup() as group:
        asking = group.create_task(ask(session, tcp.base_url))
        await tcp.gate.reached()
        asking.cancel()
        await eventually(lambda: tcp.open_connections == 0)

    assert fake.open_connections == 0
