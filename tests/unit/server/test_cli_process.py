"""The program itself: its streams, its signals, and what it imports."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.architecture.command import run
from tests.fakes.eventually import eventually

SERVER = Path(sys.executable).with_name("llmsvc-server")
HEAVY = ("grpc", "aiohttp", "pydantic", "structlog", "uvloop", "yaml")
NO_VARIABLES = {"PATH": os.environ["PATH"]}


def modules_after(*arguments: str) -> set[str]:
    """Return the heavy packages that a command has imported when it ends."""
    script = (
        "import contextlib, io, sys\n"
        "from llmsvc_server.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()): main(sys.argv[1:], {})\n"
        f"print(*set(sys.modules) & set({HEAVY}))"
    )
    return set(run(sys.executable, "-c", script, *arguments).stdout.split())


def test_the_module_is_the_program_too() -> None:
    result = run(sys.executable, "-m", "llmsvc_server", "version", env=NO_VARIABLES)

    assert result.returncode == 0
    assert result.stdout.startswith("llmsvc-server ")


@pytest.mark.parametrize("streams", [">&- 2>&-", "2>/dev/full"])
def test_streams_that_lead_nowhere_change_no_exit_code(streams: str) -> None:
    result = run("sh", "-c", f"{SERVER} config check --config /nowhere {streams}", env=NO_VARIABLES)

    assert result.returncode == 2


async def test_ctrl_c_during_start_leaves_without_a_word(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = await asyncio.create_subprocess_exec(
        SERVER,
        *("serve", "--config", pipe),
        env=NO_VARIABLES,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    ends: list[int] = []

    def server_reads() -> bool:
        if not ends:
            with contextlib.suppress(OSError):  # nobody has opened it yet
                ends.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        # A signal between its open and its read would be noticed after the read only.
        return bool(ends) and psutil.Process(process.pid).status() == psutil.STATUS_SLEEPING

    await eventually(server_reads)
    process.send_signal(signal.SIGINT)
    said = await process.communicate()
    os.close(ends[0])

    assert process.returncode == 130
    assert said == (b"", b"")


def test_each_command_imports_what_it_needs_only() -> None:
    assert modules_after("version") == set()
    assert modules_after("config", "check") == {"pydantic", "yaml"}
