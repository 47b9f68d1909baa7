"""Processes under measurement: start, look at, stop."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.bench.build import ROOT
from tests.bench.failure import NotMeasuredError


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process holds at one moment."""

    rss_bytes: int
    fds: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A process that serves on a port."""

    pid: int
    target: str  # host:port
    log: Path

    def usage(self) -> Usage:
        """Return what the process holds now.

        Raises:
            NotMeasuredError: It has died.
        """
        try:
            process = psutil.Process(self.pid)
            return Usage(
                rss_bytes=process.memory_info().rss,
                fds=process.num_fds(),
                threads=process.num_threads(),
            )
        except psutil.Error as error:
            raise NotMeasuredError(f"the process has died; it said: {self.last_words()}") from error

    def processor_s(self) -> float:
        """Return the user and system time that it has used, of all its threads.

        By the kernel's exact clock of a process, whose number clock_getcpuclockid(3) computes so.

        Raises:
            NotMeasuredError: It has died.
        """
        try:
            return time.clock_gettime(~self.pid << 3 | 2)
        except OSError as error:
            raise NotMeasuredError(f"the process has died; it said: {self.last_words()}") from error

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def exit_code(self, within_s: float) -> int:
        """Return its exit code once it has ended, negative for a signal's.

        Raises:
            NotMeasuredError: It has not, so late.
        """
        deadline_s, pause = time.monotonic() + within_s, threading.Event()
        while time.monotonic() < deadline_s:
            ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is not None:
                return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
            pause.wait(0.01)
        raise NotMeasuredError(f"it has not ended after {within_s:.0f} s")

    def last_words(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-300:].strip()


@contextlib.contextmanager
def running(
    command: Sequence[str], *, target: str, log: Path, environment: Mapping[str, str]
) -> Iterator[Subject]:
    """Yield the started process; it is interrupted on leaving, and killed after ten seconds.

    Args:
        command: Program and arguments.
        target: Where it will serve, as host:port.
        log: File that takes what it writes.
        environment: Variables added to ours.

    Yields:
        The process, which need not serve yet.
    """
    with log.open("ab") as sink:
        child = subprocess.Popen(  # noqa: S603 - our own words
            command, cwd=ROOT, stdout=sink, stderr=sink, env=os.environ | environment
        )
        try:
            yield Subject(pid=child.pid, target=target, log=log)
        finally:
            child.send_signal(signal.SIGINT)
            try:
                child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
