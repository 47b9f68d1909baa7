"""Requests of which only a part comes, while the server drains: nobody waits for the rest."""

import asyncio
import signal
import struct
from pathlib import Path

import grpc

from llmsvc.v1 import llm_pb2_grpc
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.http2_connection import Http2Connection, http2_connection
from tests.fakes.ollama_steps import done, token
from tests.fakes.requests import chat_message
from tests.fakes.running_service import over_ollama
from tests.fakes.server_process import config_file, server_process
from tests.hostile.conftest import Figures

GRACE_S = 240.0
METHODS = ("/llmsvc.v1.LLMService/Chat", "/llmsvc.v1.LLMService/ChatStream")
REQUEST = chat_message("x" * 1_000).SerializeToString()
WHOLE = struct.pack(">BI", 0, len(REQUEST)) + REQUEST
PARTS = (b"", WHOLE[:3], WHOLE[:500])
"""Nothing, half a head, half a body."""


async def read_on(connection: Http2Connection) -> None:
    """Acknowledge what the server sends, to its end."""
    async for _ in connection.frames():
        pass


async def test_a_drain_ends_with_the_chats_that_run_whatever_is_half_sent(
    tmp_path: Path, figures: Figures
) -> None:
    gate = Gate()
    async with FakeOllama(models=("phi3:mini",)) as fake:
        fake.will(token("a"), gate, token("b"), done())
        drain = {"pre_drain_s": 0, "grace_s": GRACE_S}
        config = config_file(tmp_path, {"llm": over_ollama(fake), "drain": drain})
        async with (
            server_process(config) as server,
            grpc.aio.insecure_channel(server.address) as channel,
            http2_connection(server.address) as connection,
            asyncio.TaskGroup() as group,
        ):
            answer = llm_pb2_grpc.LLMServiceStub(channel).ChatStream(chat_message())
            await gate.reached()
            for method in METHODS:
                for part in PARTS:
                    connection.data(connection.begin(method), part)
            await connection.ping_steadily(every_s=0.01, times=1)  # so that all of them are there
            group.create_task(read_on(connection))
            server.send(signal.SIGTERM)
            began_s = asyncio.get_running_loop().time()
            await eventually(
                lambda: len(server.events("rpc.finished")) == len(METHODS) * len(PARTS),
                within_s=GRACE_S / 4,
            )
            gate.open()
            text = "".join([event.delta.text async for event in answer])
            code = await server.exit_code()
            took_s = asyncio.get_running_loop().time() - began_s
        *given_up, _ = server.events("rpc.finished")

    figures("half-sent requests, length of a drain", took_s, GRACE_S / 4, "s")
    assert ("ab", 0) == (text, code)
    assert {"SERVER_DRAINING"} == {one["reason"] for one in given_up}
    assert took_s < GRACE_S / 4
