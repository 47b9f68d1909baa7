"""The real program `llmsvc-server serve`, in a process of its own, on a port the system gives."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType

import yaml

from tests.fakes.doors import WISHED

START_LIMIT_S = 45.0
STOP_LIMIT_S = 45.0
"""Far more than a busy machine takes: they end a hang."""

NOTHING: Mapping[str, str] = MappingProxyType({})


class ServerProcess:
    """A running server.

    Attributes:
        address: Where it listens, "127.0.0.1:port".
        lines: What it has logged so far, decoded.
    """

    def __init__(self, process: Process) -> None:
        """Take over a process whose log nobody reads yet."""
        self.process = process
        self.address = ""
        self.lines: list[dict[str, object]] = []

    async def read_log(self) -> None:
        """Read its log to its end."""
        assert self.process.stderr is not None
        async for raw in self.process.stderr:
            line = json.loads(raw)
            self.lines.append(line)
            if line["event"] == "server.started":
                self.address = str(line["listen"])

    def events(self, name: str) -> list[dict[str, object]]:
        """Return the lines of one event."""
        return [line for line in self.lines if line["event"] == name]

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def exit_code(self) -> int:
        """Wait for its end."""
        async with asyncio.timeout(STOP_LIMIT_S):
            return await self.process.wait()


def config_file(folder: Path, tree: Mapping[str, object]) -> Path:
    """Write a configuration file that listens on a free port unless `tree` says otherwise."""
    door = {"door": WISHED} if WISHED else {}
    server = {"listen": "127.0.0.1:0", **door, **(tree.get("server") or {})}  # type: ignore[dict-item]
    path = folder / "llmsvc.yaml"
    path.write_text(yaml.safe_dump({**tree, "server": server}))
    return path


@asynccontextmanager
async def server_process(
    config: Path, *, around: Sequence[str] = (), environ: Mapping[str, str] = NOTHING
) -> AsyncIterator[ServerProcess]:
    """Start the server with a file, wait until it has started or ended; end it in the end.

    Args:
        config: Its configuration.
        around: Program and arguments that the server's command line is handed to.
        environ: Variables besides this process's own.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith("LLMSVC_")}
    process = await asyncio.create_subprocess_exec(
        *around,
        Path(sys.executable).with_name("llmsvc-server"),
        "serve",
        "--config",
        config,
        stderr=PIPE,
        env={**ours, **environ},
    )
    server = ServerProcess(process)
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(server.read_log())
        try:
            async with asyncio.timeout(START_LIMIT_S):
                while not server.address and not reading.done():
                    await asyncio.wait([reading], timeout=0.01)
            yield server
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
