"""Upstreams whose answers have a head without an end, many at once."""

import asyncio
from collections import Counter
from pathlib import Path

import grpc

from llmsvc_server.providers.http.unfinished import FREE_BYTES
from tests.fakes.raw_answers import MODEL, response, tags
from tests.fakes.raw_upstream import Asked, RawUpstream
from tests.hostile.conftest import Figures
from tests.hostile.measured_server import measured_server
from tests.hostile.test_unfinished_answers import CHATS, MIB, end_of

LINE = b"X-Policy: " + b"p" * 60_000 + b"\r\n"
LINES = 125
COPIES = 3


async def say(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Answer one request."""
    if "chat" not in asked.path:
        writer.write(response(tags(MODEL)))
        return
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for _ in range(LINES):
        writer.write(LINE)
        await writer.drain()


async def test_heads_take_no_more_than_an_answer_has_free(tmp_path: Path, figures: Figures) -> None:
    most = COPIES * CHATS * FREE_BYTES / MIB
    async with RawUpstream(say) as raw:
        ollama = {"base_url": raw.base_url, "model": MODEL, "max_in_flight_per_model": CHATS}
        settings = {"llm": {"providers": {"ollama": ollama}}, "health": {"refresh_s": 300}}
        async with (
            measured_server(tmp_path, settings) as server,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            before = server.memory.resident_bytes
            ends = Counter(await asyncio.gather(*(end_of(channel, "ollama") for _ in range(CHATS))))
            grown = (server.memory.peak_bytes - before) / MIB

    figures(f"{CHATS} heads without an end, more resident", grown, most, "MiB")
    assert grown <= most
    assert "OK" not in ends
    assert "went on" not in ends
