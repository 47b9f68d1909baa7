"""The in-loop door's pump, in a process of its own."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE

from llmsvc_server.cli import GRPC_PRESETS
from tests.door.process import ROOT


async def test_a_closed_pump_looks_for_nothing_any_more() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "tests.door.pumps"),
        cwd=ROOT,
        env={**os.environ, **GRPC_PRESETS},
        stdout=PIPE,
    )
    said, _ = await process.communicate()

    expected = ["<LoopPump: wakes>", "<LoopPump: wakes and ticks>", "<LoopPump: closed>"]
    assert expected == said.decode().splitlines()
    assert 0 == process.returncode
