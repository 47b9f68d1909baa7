"""What docs/tools.md shows is what happens."""

import json
import re
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import grpc.aio
from google.protobuf import json_format

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from tests.fakes.server_process import config_file, server_process

PAGE = (Path(__file__).parents[2] / "docs/tools.md").read_text(encoding="utf-8")
MOCK_ALONE = {"llm": {"providers": {"mock": {"enabled": True}}, "default_provider": "mock"}}


def example(name: str) -> str:
    """Return the block of code of that name."""
    found = re.search(
        rf"<!-- example: {name} -->\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL
    )
    assert found
    return found[1]


async def test_a_round_ends_with_an_answer_about_the_result(tmp_path: Path) -> None:
    async with server_process(config_file(tmp_path, MOCK_ALONE)) as server:
        code = example("tools-round").replace("localhost:50051", server.address)
        process = await create_subprocess_exec(
            sys.executable, "-c", code, stdout=PIPE, stderr=STDOUT
        )
        said, _ = await process.communicate()

    assert (0, True) == (process.returncode, b"1 result" in said), said


async def test_what_is_sent_by_hand_is_answered_with_a_call(tmp_path: Path) -> None:
    sent = re.search(r"-d '(.*?)'", example("tools-grpcurl"), re.DOTALL)
    assert sent
    request = json_format.Parse(sent[1], llm_pb2.ChatRequest())
    async with (
        server_process(config_file(tmp_path, MOCK_ALONE)) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        stream = llm_pb2_grpc.LLMServiceStub(channel).ChatStream(request, timeout=10)
        events = [event async for event in stream]

    calls = [one.delta.tool_call for one in events if one.HasField("delta")]
    assert "get_weather" == calls[0].name
    assert {"city": ""} == json.loads("".join(call.arguments_json for call in calls))
    assert llm_pb2.FINISH_REASON_TOOL_CALLS == events[-1].completed.finish_reason
