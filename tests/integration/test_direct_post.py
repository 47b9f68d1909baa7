"""How a request goes without a session: whom its connection serves next, and where it does not."""

import asyncio
import os
import socket
from pathlib import Path

import aiohttp
import grpc
import pytest
from yarl import URL

from llmsvc.v1 import llm_pb2_grpc
from llmsvc_server.providers.http.direct_post import DirectPost, Parsing
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.raw_answers import response
from tests.fakes.raw_upstream import Asked, RawUpstream
from tests.fakes.requests import chat_message
from tests.fakes.running_service import over_ollama
from tests.fakes.server_process import config_file, server_process

BODY_BYTES = 1_000_000
UNKNOWN = Path(__file__).parents[1] / "fakes" / "unknown_aiohttp"


def narrow(address: aiohttp.AddrInfoType) -> socket.socket:
    """Return a socket that takes little of what nobody reads."""
    made = socket.socket(*address[:3])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    return made


def post_to(url: str, connector: aiohttp.BaseConnector) -> DirectPost:
    return DirectPost(
        URL(url),
        {},
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None),
        parsing=Parsing(
            auto_decompress=False, read_bufsize=65_536, max_line_size=8_190, max_field_size=8_190
        ),
    )


async def test_a_connection_with_a_request_in_it_serves_nobody_else() -> None:
    """The answer came before the request had left: the next one would queue up behind the rest."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response(b"too soon"))
        await left.wait()
        writer.transport.abort()

    left = asyncio.Event()
    listener = await asyncio.start_server(serve, "127.0.0.1", 0, limit=4_096)
    port = listener.sockets[0].getsockname()[1]
    async with listener, aiohttp.TCPConnector(socket_factory=narrow) as connector:
        post = post_to(f"http://127.0.0.1:{port}", connector)
        async with asyncio.timeout(10.0):
            answers = [await post.send(bytes(BODY_BYTES)) for _ in range(2)]
        texts = [await answer.content.read() for answer in answers]
        left.set()

    assert [b"too soon"] * 2 == texts
    assert [True, True] == [answer.connection is None for answer in answers]
    assert 2 == connections


async def test_it_serves_others_once_its_answer_is_whole_and_not_before() -> None:
    gate = asyncio.Event()

    async def say(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"abc")[:-1])
        await gate.wait()
        writer.write(b"c")

    async with RawUpstream(say) as upstream, aiohttp.TCPConnector() as connector:
        post = post_to(upstream.base_url, connector)
        first, second = await post.send(b"1"), await post.send(b"2")
        assert [False, False] == [first.connection is None, second.connection is None]
        gate.set()
        assert [b"abc"] * 2 == [await first.content.read(), await second.content.read()]
        third = await post.send(b"3")
        first.close()  # which is a word too late, and no longer its own
        assert b"abc" == await third.content.read()

    assert 2 == upstream.accepted
    assert [b"1", b"2", b"3"] == [asked.body for asked in upstream.asked]


async def test_closing_gives_up_what_is_still_to_come() -> None:
    async def say(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"abc")[:-1])

    async with RawUpstream(say) as upstream, aiohttp.TCPConnector() as connector:
        answer = await post_to(upstream.base_url, connector).send(b"")
        answer.close()
        answer.close()

        assert answer.connection is None
        with pytest.raises(aiohttp.ClientConnectionError):
            await answer.content.read()
        await eventually(lambda: 0 == upstream.open_connections)


async def test_connecting_ends_at_its_limit() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        # The queue is full with these, and the system answers nobody else.
        waiting = [socket.socket() for _ in range(2)]
        for one in waiting:
            one.setblocking(False)  # noqa: FBT003  its name
            one.connect_ex(address)
        async with aiohttp.TCPConnector() as connector:
            post = DirectPost(
                URL(f"http://127.0.0.1:{address[1]}"),
                {},
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None, connect=0.05),
                parsing=Parsing(
                    auto_decompress=False, read_bufsize=1, max_line_size=1, max_field_size=1
                ),
            )
            with pytest.raises(aiohttp.ConnectionTimeoutError):
                await post.send(b"")
        for one in waiting:
            one.close()


@pytest.mark.parametrize(("path", "why"), [("", "None"), (str(UNKNOWN), "aiohttp 0.0, where")])
async def test_an_unknown_aiohttp_is_used_by_its_session_and_said_at_start(
    tmp_path: Path, path: str, why: str
) -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake:
        tree = {"llm": over_ollama(fake)}
        environ = {
            "PYTHONPATH": os.pathsep.join(filter(None, [path, os.environ.get("PYTHONPATH")]))
        }
        async with (
            server_process(config_file(tmp_path, tree), environ=environ) as server,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            answer = await llm_pb2_grpc.LLMServiceStub(channel).Chat(chat_message())

    assert "ollama" == answer.route.provider
    assert str(server.events("server.started")[0].get("http_by_session")).startswith(why)
