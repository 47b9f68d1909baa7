"""Programs that are started with standard streams closed: nothing else gets their descriptors."""

import asyncio
import itertools
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.scripted_answers import completed, piece, started
from tests.fakes.scripted_service import ScriptedService, Step
from tests.fakes.server_process import START_LIMIT_S, STOP_LIMIT_S, config_file

MOCK_ALONE = {"providers": {"mock": {"enabled": True}}, "default_provider": "mock"}
STREAMS = range(3)
CLOSED = [some for size in (1, 2, 3) for some in itertools.combinations(STREAMS, size)]
OF_THE_SERVER = [(2,), (0, 2), (0, 1, 2)]  # it takes a second to start
BIN = Path(sys.executable).parent


async def begun(closed: tuple[int, ...], *command: str | Path) -> asyncio.subprocess.Process:
    """Start a program without some of its standard streams; the others lead to pipes or nowhere."""
    closing = " ".join(f"{number}>&-" for number in closed)
    return await asyncio.create_subprocess_exec(
        *("sh", "-c", f'exec "$0" "$@" {closing}', *command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def led_to(pid: int) -> list[str]:
    """Return what the standard descriptors of a process lead to."""
    return [str(Path(f"/proc/{pid}/fd/{number}").readlink()) for number in STREAMS]


@pytest.mark.parametrize("closed", OF_THE_SERVER, ids=str)
async def test_the_server_starts_without_streams(closed: tuple[int, ...], tmp_path: Path) -> None:
    config = config_file(tmp_path, {"llm": MOCK_ALONE})
    process = await begun(closed, BIN / "llmsvc-server", "serve", "--config", config)
    try:
        seen = psutil.Process(process.pid)
        await eventually(
            lambda: any(one.status == "LISTEN" for one in seen.net_connections("tcp")),
            within_s=START_LIMIT_S,
        )
        leads = led_to(process.pid)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(STOP_LIMIT_S):
            _, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert 0 == process.returncode
    assert all(leads[number] == os.devnull for number in closed)
    assert (b"server.started" in err) == (2 not in closed)
    assert b"Traceback" not in err


@pytest.mark.parametrize("closed", CLOSED, ids=str)
async def test_a_client_without_streams_ends_by_its_code(closed: tuple[int, ...]) -> None:
    gate = Gate()
    script: list[Step] = [started(), gate, piece("Hello"), completed()]
    async with ScriptedService(scripts=[script]) as service:
        process = await begun(closed, BIN / "llmsvc", "chat", "hi", "--address", service.address)
        await gate.reached(within_s=START_LIMIT_S)
        leads = led_to(process.pid)
        gate.open()
        async with asyncio.timeout(STOP_LIMIT_S):
            out, err = await process.communicate()

    assert all(leads[number] == os.devnull for number in closed)
    assert (1 if 1 in closed else 0) == process.returncode
    assert (b"" if 1 in closed else b"Hello\n") == out
    assert b"Traceback" not in err
