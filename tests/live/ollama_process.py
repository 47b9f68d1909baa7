"""A real Ollama of our own: started, broken and ended by the tests."""

import asyncio
import contextlib
import os
import signal
import subprocess
from asyncio.subprocess import Process
from collections.abc import Sequence
from pathlib import Path

import psutil

START_LIMIT_S = 30.0
STOP_LIMIT_S = 30.0
POLL_S = 0.01
LOG = "ollama.log"
IDLE_S = 0.5
IDLE_CPU_S = 0.05  # an idle engine ticks; one that writes uses all of IDLE_S


class OllamaProcess:
    """An Ollama on loopback, on a port that the system gives, with folders of its own.

    It has no models at first. Its engines are children of its own, one for each loaded model.
    """

    def __init__(self, program: Path, folder: Path, *, slots: int = 1) -> None:
        """Start nothing yet.

        Args:
            program: The `ollama` program.
            folder: For its models, keys and log.
            slots: How many chats a model runs at once.
        """
        self._program = program
        self._folder = folder
        self._slots = slots
        self._process: Process | None = None
        self._port = 0
        self._orphans: list[psutil.Process] = []

    @property
    def base_url(self) -> str:
        """Where it answers; the same after a restart."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def log(self) -> str:
        """All that it has logged so far."""
        return (self._folder / LOG).read_text()

    async def start(self) -> None:
        """Start it, and return when it listens.

        Raises:
            RuntimeError: It ended instead; the text has the end of its log.
            TimeoutError: It does not listen.
        """
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "OLLAMA_MODELS": str(self._folder / "models"),
            "OLLAMA_HOST": f"127.0.0.1:{self._port}",
            "OLLAMA_NO_CLOUD": "1",
            "OLLAMA_NUM_PARALLEL": str(self._slots),
        }
        with (self._folder / LOG).open("ab") as stderr:
            self._process = await asyncio.create_subprocess_exec(
                self._program, "serve", env=environment, stdout=subprocess.DEVNULL, stderr=stderr
            )
        async with asyncio.timeout(START_LIMIT_S):
            while not (ports := _listening(self._process.pid)):
                if self._process.returncode is not None:
                    raise RuntimeError(f"ollama ended at its start: {self.log[-1000:]}")
                await asyncio.sleep(POLL_S)
        (self._port,) = ports

    async def stop(self, number: signal.Signals) -> None:
        """Send a signal that ends the server, and wait for its end.

        Its engines may outlive it, as they do after SIGKILL; `end` sees to them.
        """
        assert self._process is not None
        self._orphans += self.engines()
        self._process.send_signal(number)
        async with asyncio.timeout(STOP_LIMIT_S):
            await self._process.wait()

    async def end(self) -> None:
        """End it and all that it has started."""
        if self._process is not None and self._process.returncode is None:
            await self.stop(signal.SIGKILL)
        for engine in self._orphans:
            with contextlib.suppress(psutil.NoSuchProcess):
                engine.kill()

    def engines(self) -> list[psutil.Process]:
        """Return its engines, one for each model that is in memory."""
        assert self._process is not None
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self._process.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if "runner" in child.cmdline():
                        found.append(child)
        return found


def cpu_s(engines: Sequence[psutil.Process]) -> float:
    """Return the CPU time in seconds that engines have used so far."""
    times = [engine.cpu_times() for engine in engines]
    return sum(time.user + time.system for time in times)


class Idle:
    """Whether engines do nothing: true once they used no CPU time for half a second."""

    def __init__(self, engines: Sequence[psutil.Process]) -> None:
        """Watch these, from now on."""
        self._engines = engines
        self._begin()

    def __call__(self) -> bool:
        """Look again; to be asked every few milliseconds."""
        if cpu_s(self._engines) - self._used_then_s > IDLE_CPU_S:
            self._begin()
        return asyncio.get_running_loop().time() - self._since_s >= IDLE_S

    def _begin(self) -> None:
        self._since_s = asyncio.get_running_loop().time()
        self._used_then_s = cpu_s(self._engines)


def _listening(pid: int) -> list[int]:
    try:
        sockets = psutil.Process(pid).net_connections("tcp")
    except psutil.NoSuchProcess:
        return []
    return [socket.laddr.port for socket in sockets if socket.status == psutil.CONN_LISTEN]
