"""A stream costs the server what is under way, however much it has carried."""

from pathlib import Path

import grpc

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from tests.fakes.fake_openai import FakeOpenai
from tests.fakes.openai_steps import done, finish, role, token
from tests.fakes.requests import chat_message
from tests.hostile.conftest import Figures
from tests.hostile.measured_server import measured_server

MIB = 2**20
PIECE = "x" * 65_536
PIECES = 500 * MIB // len(PIECE)
WARM = 32 * MIB
"""How much has come once every buffer on the way has its size."""


async def test_a_stream_of_500_megabytes_keeps_none_of_them(
    tmp_path: Path, figures: Figures
) -> None:
    async with FakeOpenai(models=("m",)) as fake:
        fake.will(role(), [token(PIECE)] * PIECES, finish(), done())
        vllm = {"kind": "openai", "base_url": fake.base_url, "model": "m", "local": True}
        llm = {"providers": {"vllm": vllm}, "default_provider": "vllm"}
        async with (
            measured_server(
                tmp_path, {"llm": llm, "limits": {"max_answer_bytes": 2**30}}
            ) as server,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            memory, before, length = server.memory, 0, 0
            call = llm_pb2_grpc.LLMServiceStub(channel).ChatStream(chat_message(), timeout=60)
            while isinstance(message := await call.read(), llm_pb2.ChatStreamResponse):
                length += len(message.delta.text)
                if not before and length > WARM:
                    before = memory.resident_bytes
                    memory.forget_peak()
            more = (memory.peak_bytes - before) / MIB

            figures("stream of 500 MiB, more resident than after 32", more, 20, "MiB")
            assert length == PIECES * len(PIECE)
            assert more <= 20
