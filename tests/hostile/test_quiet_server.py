"""What the other tests of this folder compare with: a server that nobody attacks."""

import math
from pathlib import Path

import grpc
import pytest

from tests.fakes.crowd import chat, crowd, stream
from tests.hostile.conftest import Figures
from tests.hostile.measured_server import measured_server
from tests.hostile.probe import probing

MIB = 2**20
CANNED = {"llm": {"providers": {"mock": {"enabled": True}}, "default_provider": "mock"}}


@pytest.mark.alone
async def test_quiet_server_is_small_and_answers_at_once(tmp_path: Path, figures: Figures) -> None:
    async with measured_server(tmp_path, CANNED, memory_bytes=512 * MIB) as server:
        async with (
            probing(server.address) as delays,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            ends = await crowd(channel, chat, stream, callers=2, each=50)
        assert ends == {"OK": 100}
        figures("quiet server, resident", server.memory.peak_bytes / MIB, 128, "MiB")
        figures("quiet server, slowest health check", delays.worst_s * 1000, math.inf, "ms")
        assert server.memory.peak_bytes <= 128 * MIB
        assert await server.stop() == 0
