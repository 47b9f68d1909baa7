"""Long prompts whose answers take long: a stream that runs does not keep what was sent for it."""

from contextlib import AsyncExitStack
from pathlib import Path

import grpc

from llmsvc.v1 import llm_pb2
from tests.fakes.forgetful_upstream import forgetful_upstream
from tests.fakes.raw_answers import MODEL, NDJSON, tags
from tests.fakes.requests import chat_message
from tests.hostile.conftest import Figures
from tests.hostile.measured_server import measured_server

MIB = 2**20
PROMPT_BYTES = 4_000_000
STREAMS = 50
MAX_MIB = 0.2 * STREAMS * PROMPT_BYTES / MIB
"""What streams take besides; any copy of the prompts would be five times as much."""

FIRST = '{"message": {"content": "a"}, "done": false}\n'
DOCUMENTS = {
    "/api/version": b'{"version": "0.24.0"}',
    "/api/tags": tags(MODEL),
    "/api/ps": tags(MODEL),
}
METHOD = "/llmsvc.v1.LLMService/ChatStream"


async def begin(channel: grpc.aio.Channel, request: bytes, stack: AsyncExitStack) -> None:
    """Open a stream, wait for its first text, and leave it open until `stack` closes."""
    call = channel.unary_stream(
        METHOD,
        request_serializer=bytes,
        response_deserializer=llm_pb2.ChatStreamResponse.FromString,
    )(request, timeout=120)
    stack.callback(call.cancel)
    for expected in ("started", "delta"):
        message = await call.read()
        assert isinstance(message, llm_pb2.ChatStreamResponse)
        assert expected == message.WhichOneof("event")


async def test_fifty_streams_keep_no_body_of_their_requests(
    tmp_path: Path, figures: Figures
) -> None:
    request = chat_message("x" * PROMPT_BYTES).SerializeToString()
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(forgetful_upstream(NDJSON, FIRST, DOCUMENTS))
        ollama = {"kind": "ollama", "base_url": url, "max_in_flight": STREAMS + 1}
        ollama |= {"num_ctx": 2_000_000, "model": MODEL, "max_in_flight_per_model": STREAMS + 1}
        tree = {
            "llm": {"providers": {"ollama": ollama}, "default_provider": "ollama"},
            "server": {"max_request_bytes": (STREAMS + 1) * 5 * MIB},
        }
        server = await stack.enter_async_context(measured_server(tmp_path, tree))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.address))
        await begin(channel, request, stack)
        before = server.memory.resident_bytes
        for _ in range(STREAMS):
            await begin(channel, request, stack)
        more = (server.memory.resident_bytes - before) / MIB

    figures(f"{STREAMS} streams, 4 MB prompts, more resident than with one", more, MAX_MIB, "MiB")
    assert more <= MAX_MIB
