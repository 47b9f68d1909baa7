"""The fake sees in which phase a client leaves, and frees what it held."""

import asyncio

import aiohttp
import pytest

from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.ollama_record import Load, Outcome, Phase
from tests.fakes.ollama_steps import answer, done, silent, token
from tests.unit.fakes.asking import ask, content


async def test_sees_a_client_leave_while_it_waits_for_a_slot(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    fake.conversation.first_token_gate = Gate()
    async with asyncio.TaskGroup() as group:
        group.create_task(ask(session, fake.base_url))
        await fake.conversation.first_token_gate.reached()
        waiting = group.create_task(ask(session, fake.base_url))
        await fake.received(2)

        waiting.cancel()
        left = await fake.client_gone()
        fake.conversation.first_token_gate.open()

    assert (left.number, left.gone_in) == (2, Phase.QUEUED)
    assert fake.most_in_flight == 2


async def test_a_load_ends_with_its_owner_and_the_next_starts_over(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    gate = fake.world.load_gate = Gate()
    async with asyncio.TaskGroup() as group:
        owner = group.create_task(ask(session, fake.base_url))
        await gate.reached()
        group.create_task(ask(session, fake.base_url))
        await fake.received(2)

        owner.cancel()
        left = await fake.client_gone()
        await gate.reached(2)
        gate.open()

    assert left.gone_in is Phase.LOADING
    assert [chat.load for chat in fake.chats] == [Load.OWNED, Load.OWNED]
    assert (2, 1, 1) == (
        fake.world.loads_started,
        fake.world.loads_aborted,
        fake.world.loads_finished,
    )


async def test_sees_a_client_leave_before_the_first_token(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    fake.will(silent())
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(ask(session, fake.base_url))
        await fake.received()
        asking.cancel()
        left = await fake.client_gone()

    assert left.gone_in is Phase.BEFORE_FIRST_TOKEN


async def test_sees_a_client_leave_in_mid_stream(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    gate = Gate()
    fake.will(token("a"), gate, done())
    async with session.post(f"{fake.base_url}/api/chat", json={"model": "phi3:mini"}) as response:
        await response.content.readline()
        await gate.reached()

    left = await fake.client_gone()

    assert (left.gone_in, left.tokens_sent) == (Phase.STREAMING, 1)


async def test_a_slot_is_free_again_after_its_client_left(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    gate = fake.conversation.first_token_gate = Gate()
    async with asyncio.TaskGroup() as group:
        holder = group.create_task(ask(session, fake.base_url))
        await gate.reached()
        holder.cancel()
        await fake.client_gone()
    fake.conversation.first_token_gate = None

    _, body = await ask(session, fake.base_url)

    assert content(body) == fake.conversation.answer


async def test_its_own_end_is_not_a_client_that_left(session: aiohttp.ClientSession) -> None:
    async def lose(base_url: str) -> None:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await ask(session, base_url)

    async with FakeOllama(models=("phi3:mini",)) as fake, asyncio.TaskGroup() as group:
        fake.will(silent())
        group.create_task(lose(fake.base_url))
        chat = await fake.received()
        fake.shut_down()

    assert chat.outcome is Outcome.SCRIPT_CUT


async def test_a_complete_answer_is_no_leaving(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    fake.will(answer("a b"))

    await ask(session, fake.base_url)
    await fake.idle()

    assert [chat.outcome for chat in fake.chats] == [Outcome.COMPLETED]
