"""Who reads the server's log pauses, leaves, or has no room: calls, health and the end go on."""

import asyncio
import json
import os
import pty
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path

import grpc
import psutil
import pytest

from tests.fakes.crowd import chat, crowd, health, refused, stream
from tests.fakes.eventually import eventually
from tests.fakes.server_process import START_LIMIT_S, STOP_LIMIT_S, config_file
from tests.hostile.conftest import Figures
from tests.hostile.probe import probing

CANNED = {
    "llm": {"providers": {"mock": {"enabled": True}}, "default_provider": "mock"},
    "drain": {"pre_drain_s": 0},
}
PIPE_BYTES = 65_536


@asynccontextmanager
async def server_logging_to(descriptor: int, folder: Path) -> AsyncIterator[tuple[Process, str]]:
    """Start the server with that standard error; yield its process and where it listens."""
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("llmsvc-server"),
        *("serve", "--config", config_file(folder, CANNED)),
        stderr=descriptor,
    )
    try:
        yield process, await _address(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _address(process: Process) -> str:
    """Return where a server listens whose log can't be read."""
    found: list[str] = []

    def listens() -> bool:
        connections = psutil.Process(process.pid).net_connections("tcp")
        found[:] = [f"127.0.0.1:{one.laddr.port}" for one in connections if one.status == "LISTEN"]
        return bool(found)

    await eventually(listens, within_s=START_LIMIT_S)
    return found[0]


async def stopped(process: Process) -> int:
    """Ask it to stop; return its exit code."""
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(STOP_LIMIT_S):
        return await process.wait()


class LogPipe:
    """A pipe whose reader begins when it is told to."""

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe()
        os.set_blocking(self._reading, False)
        self._text = b""

    def read(self) -> list[dict[str, object]]:
        """Read what is there; return all whole lines so far."""
        try:
            while more := os.read(self._reading, PIPE_BYTES):
                self._text += more
        except BlockingIOError:
            pass
        return [json.loads(line) for line in self._text.split(b"\n")[:-1]]

    def count(self, event: str) -> int:
        """Return how many lines of one event have come."""
        return sum(line["event"] == event for line in self.read())

    def leave(self) -> None:
        """Close the reader's end."""
        os.close(self._reading)


@pytest.mark.alone
async def test_calls_and_health_go_on_while_the_reader_pauses(
    tmp_path: Path, figures: Figures
) -> None:
    log = LogPipe()
    async with server_logging_to(log.writing, tmp_path) as (process, address):
        os.close(log.writing)
        async with grpc.aio.insecure_channel(address) as channel:
            async with probing(address) as delays:
                answered = await crowd(channel, chat, stream, callers=8, each=50)
            ends = answered + await crowd(channel, refused, callers=64, each=85)
            await eventually(lambda: log.count("log.dropped") == 1)
            await chat(channel)
            await eventually(lambda: log.count("rpc.finished") > 0 and _last(log) == "rpc.finished")
            (dropped,) = [line for line in log.read() if line["event"] == "log.dropped"]
            assert isinstance(dropped["count"], int)
            assert ends.total() + 1 == log.count("rpc.finished") + dropped["count"]
            # Once more, and it stops all the same.
            await crowd(channel, chat, callers=8, each=50)
        figures("paused log reader, slowest health check", delays.worst_s * 1000, 500, "ms")
        assert {"OK": 400} == answered
        assert 0 == await stopped(process)
    log.leave()


def _last(log: LogPipe) -> object:
    return log.read()[-1]["event"]


@contextmanager
def gone() -> Iterator[int]:
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@contextmanager
def full() -> Iterator[int]:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


@contextmanager
def stopped_terminal() -> Iterator[int]:
    ours, theirs = pty.openpty()
    yield theirs
    os.close(theirs)
    os.close(ours)


@pytest.mark.parametrize("log", [gone, full, stopped_terminal])
async def test_calls_and_the_end_do_not_need_a_log(
    log: Callable[[], AbstractContextManager[int]], tmp_path: Path
) -> None:
    with log() as descriptor:
        async with (
            server_logging_to(descriptor, tmp_path) as (process, address),
            grpc.aio.insecure_channel(address) as channel,
        ):
            ends = await crowd(channel, chat, health, callers=8, each=25)

            assert {"OK": 200} == ends
            assert 0 == await stopped(process)
