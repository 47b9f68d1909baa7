"""The real server in a process of its own, whose memory is measured, and bounded where it can be."""

import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from tests.fakes.server_process import ServerProcess, config_file, server_process

CGROUPS = Path("/sys/fs/cgroup")


class Memory:
    """What a process holds, as Linux counts it.

    Attributes:
        is_bounded: Whether a cgroup ends the process above its bound.
    """

    def __init__(self, pid: int, *, is_bounded: bool) -> None:
        """Look at one process."""
        self._folder = Path("/proc") / str(pid)
        self.is_bounded = is_bounded

    @property
    def resident_bytes(self) -> int:
        """How much is resident now."""
        return self._status("VmRSS")

    @property
    def peak_bytes(self) -> int:
        """How much was resident at most, since the start or `forget_peak`."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        """Let the peak begin at what is resident now."""
        (self._folder / "clear_refs").write_text("5")

    def _status(self, name: str) -> int:
        for line in (self._folder / "status").read_text().splitlines():
            key, _, value = line.partition(":")
            if key == name:
                return int(value.split()[0]) * 1024
        raise AssertionError(f"no {name}: the process has ended")


class MeasuredServer:
    """A server that listens.

    Attributes:
        process: Its process: address, log, signals.
        memory: What it holds.
    """

    def __init__(self, process: ServerProcess, memory: Memory) -> None:
        """Look at a server that has started."""
        self.process = process
        self.memory = memory

    @property
    def address(self) -> str:
        """Where it listens."""
        return self.process.address

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self.process.process.returncode is None

    async def stop(self) -> int:
        """Ask it to stop as Kubernetes does; return its exit code, negative for a signal's."""
        self.process.send(signal.SIGTERM)
        return await self.process.exit_code()


@asynccontextmanager
async def measured_server(
    folder: Path,
    tree: Mapping[str, object],
    *,
    memory_bytes: int | None = None,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[MeasuredServer]:
    """Start `llmsvc-server serve`; kill it in the end, if it has not stopped.

    Args:
        folder: Where its configuration is written.
        tree: The configuration; where it says nothing else, the server listens on a free port and
            does not wait for balancers before it drains.
        memory_bytes: More than that ends it, as a pod's limit would, where this machine lets us
            make a cgroup. `memory.is_bounded` says whether; where it is not, compare the peak.
        environ: Variables besides this process's own.
    """
    with ExitStack() as stack:
        around: Sequence[str] = ()
        if memory_bytes is not None:
            around = stack.enter_context(_bounded(memory_bytes))
        config = config_file(folder, {"drain": {"pre_drain_s": 0}, **tree})
        async with server_process(config, around=around, environ=environ or {}) as process:
            assert process.address, process.lines
            memory = Memory(process.process.pid, is_bounded=bool(around))
            yield MeasuredServer(process, memory)


@contextmanager
def _bounded(most_bytes: int) -> Iterator[Sequence[str]]:
    """Yield what starts a program inside a cgroup of that size; empty where none can be made."""
    try:
        group = _new_group(most_bytes)
    except OSError:
        yield ()
        return
    try:
        yield ("sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group / "cgroup.procs"))
    finally:
        group.rmdir()


def _new_group(most_bytes: int) -> Path:
    """Make a cgroup below our own, of either version.

    Raises:
        OSError: We may not, or nothing counts memory here.
    """
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    places = {name: path for _, name, path in (line.split(":", 2) for line in lines)}
    is_older = "memory" in places
    root, path = (CGROUPS / "memory", places["memory"]) if is_older else (CGROUPS, places[""])
    group = root / path.lstrip("/") / f"llmsvc-{os.getpid()}-{os.urandom(4).hex()}"
    group.mkdir()
    try:
        if is_older:
            (group / "memory.limit_in_bytes").write_text(str(most_bytes))
        else:
            (group / "memory.max").write_text(str(most_bytes))
            (group / "memory.swap.max").write_text("0")
    except OSError:
        group.rmdir()
        raise
    return group
