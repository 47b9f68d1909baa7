"""The faults that the fake commits on request look on the wire as they should."""

import asyncio
import json
import math

import aiohttp
import pytest

from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.ollama_checks import Generation
from tests.fakes.ollama_steps import (
    End,
    Script,
    answer,
    body,
    busy,
    die_after,
    done,
    end,
    fail_first,
    missing,
    page,
    raw,
    silent,
    split,
    token,
    tokens,
)
from tests.unit.fakes.asking import CHAT, ask, content, error


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        (end(End.CUT), aiohttp.ServerDisconnectedError),
        (end(End.RESET), aiohttp.ClientOSError),
        (die_after(2, End.CUT), aiohttp.ClientPayloadError),
        ((token("a"), body(b'{"mess'), end(End.CUT)), aiohttp.ClientPayloadError),
    ],
)
async def test_breaks_off_as_told(
    script: Script, failure: type[Exception], fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    fake.will(script)

    with pytest.raises(failure):
        await ask(session, fake.base_url)


async def test_a_reset_after_content_is_a_reset(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    gate = Gate()
    fake.will(token("a"), gate, end(End.RESET))
    async with session.post(f"{fake.base_url}/api/chat", json=CHAT) as response:
        await response.content.readline()
        gate.open()

        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_headers_wait_for_the_first_line(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    gate = Gate()
    fake.will(gate, answer("a"))
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(ask(session, fake.base_url))
        await gate.reached()
        answered_before = asking.done()
        gate.open()

    assert not answered_before
    assert asking.result()[0] == 200


async def test_an_ended_script_without_a_final_line_ends_cleanly(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    fake.will(tokens(2))
    fake.will()

    bodies = [(await ask(session, fake.base_url))[1] for _ in range(2)]

    assert ["t1 t2", ""] == [content(body) for body in bodies]


async def test_a_broken_chunk_header_reaches_the_client(fake: FakeOllama) -> None:
    fake.will(token("a"), raw(b"zz\r\n"), end(End.HANG))
    reader, writer = await asyncio.open_connection("127.0.0.1", fake.port)
    request = json.dumps(CHAT).encode()
    head = f"POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(request)}\r\n\r\n"
    writer.write(head.encode() + request)

    received = await reader.readuntil(b"zz\r\n")
    writer.close()
    await writer.wait_closed()

    assert received.endswith(b'"done":false}\n\r\nzz\r\n')


async def test_lines_can_be_cut_anywhere(fake: FakeOllama, session: aiohttp.ClientSession) -> None:
    line = '{"message":{"role":"assistant","content":"é\\u003c"},"done":false}\n'.encode()
    fake.will(split(line, [1] * len(line)), done())

    _, received = await ask(session, fake.base_url)

    assert content(received) == "é<"


async def test_text_may_stand_on_the_final_line(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    fake.will(token("a"), done(text=" b", metrics={}, eval_count=2))

    _, received = await ask(session, fake.base_url)

    assert content(received) == "a b"
    assert "total_duration" not in json.loads(received.splitlines()[-1])


@pytest.mark.parametrize(
    ("generation", "status", "text"),
    [
        (Generation.OLDEST, 404, 'model "phi3:mini" not found, try pulling it first'),
        (Generation.OLD, 404, "model 'phi3:mini' not found"),
    ],
)
async def test_misses_a_model_in_the_words_of_its_generation(
    generation: Generation, status: int, text: str, session: aiohttp.ClientSession
) -> None:
    async with FakeOllama(models=("phi3:mini",), generation=generation) as fake:
        fake.will(missing())

        actual_status, received = await ask(session, fake.base_url)

    assert (status, text) == (actual_status, error(received))


@pytest.mark.parametrize(
    ("generation", "status"), [(Generation.OLDEST, 200), (Generation.OLD, 500)]
)
async def test_fails_at_the_first_event_as_its_generation_does(
    generation: Generation, status: int, session: aiohttp.ClientSession
) -> None:
    async with FakeOllama(models=("phi3:mini",), generation=generation) as fake:
        fake.will(fail_first(500, "gone"), times=2)

        streamed, _ = await ask(session, fake.base_url)
        whole, _ = await ask(session, fake.base_url, stream=False)

    assert (status, 500) == (streamed, whole)


async def test_scripts_are_used_in_order_and_for_what_they_name(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    fake.will(busy(), model="other")
    fake.will(answer("first"))
    fake.will(answer("second"), times=math.inf)

    texts = [content((await ask(session, fake.base_url))[1]) for _ in range(3)]

    assert ["first", "second", "second"] == texts


async def test_a_get_can_be_held_while_chats_go_on(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    gate = fake.gates["/api/tags"] = Gate()
    async with asyncio.TaskGroup() as group:
        listing = group.create_task(session.get(f"{fake.base_url}/api/tags"))
        await gate.reached()

        status, _ = await ask(session, fake.base_url)
        held = not listing.done()
        gate.open()
    (await listing).release()

    assert (200, True) == (status, held)


async def test_a_get_can_be_answered_by_somebody_else(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    fake.will(page(200, "<html>proxy</html>", "text/html"), path="/api/tags")

    async with session.get(f"{fake.base_url}/api/tags") as response:
        received = (response.content_type, await response.text())

    assert ("text/html", "<html>proxy</html>") == received


async def test_refuses_and_serves_again_on_the_same_port(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    before = fake.base_url
    fake.shut_down()
    with pytest.raises(aiohttp.ClientConnectorError):
        await ask(session, fake.base_url)

    await fake.start_listening()

    assert (before, 200) == (fake.base_url, (await ask(session, fake.base_url))[0])


async def test_closing_the_door_keeps_those_inside(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    gate = Gate()
    fake.will(token("a"), gate, done())
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(ask(session, fake.base_url))
        await gate.reached()
        fake.stop_listening()
        gate.open()

    assert content(asking.result()[1]) == "a"


async def test_a_used_connection_can_be_closed_as_the_next_request_comes(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    await ask(session, fake.base_url)
    fake.close_on_reuse()

    with pytest.raises(aiohttp.ServerDisconnectedError):
        await ask(session, fake.base_url)

    assert 200 == (await ask(session, fake.base_url))[0]
    assert [False, True, False] == [chat.reused for chat in fake.chats]


async def test_idle_connections_can_be_closed_alone(
    fake: FakeOllama, session: aiohttp.ClientSession
) -> None:
    async with session.get(f"{fake.base_url}/") as response:
        await response.read()
    async with asyncio.TaskGroup() as group, aiohttp.ClientSession() as other:
        fake.will(silent())
        asking = group.create_task(ask(other, fake.base_url))
        await fake.received()

        fake.cut_connections(idle_only=True)
        cut = [connection.cut for connection in fake.connections]
        asking.cancel()
        await fake.client_gone()

    assert [True, False] == cut
