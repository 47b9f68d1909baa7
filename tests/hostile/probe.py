"""Asks a server's health without pause, in a process of its own, and says how long answers took.

What holds up the server's loop shows here, whatever the process of the test is busy with.
"""

import asyncio
import json
import sys
import threading
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT = Path(__file__).parents[2]
PAUSE_S = 0.002
PATIENCE_S = 30.0


class Delays:
    """How long each answer took, in seconds; complete once the probe has ended."""

    def __init__(self) -> None:
        """Have none."""
        self.all_s: list[float] = []

    @property
    def worst_s(self) -> float:
        """The longest."""
        return max(self.all_s)

    @property
    def p99_s(self) -> float:
        """The 99th percentile."""
        return sorted(self.all_s)[int(len(self.all_s) * 0.99)]


@asynccontextmanager
async def probing(address: str) -> AsyncIterator[Delays]:
    """Probe while the block runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.hostile.probe", address, stdin=PIPE, stdout=PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    delays = Delays()
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield delays
        told, _ = await process.communicate(b"")
        delays.all_s = json.loads(told)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def main() -> None:
    """Probe until standard input ends; print the delays."""
    ended = threading.Event()
    delays_s: list[float] = []
    with grpc.insecure_channel(sys.argv[1]) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        threading.Thread(target=_wait_for_end, args=(ended,), daemon=True).start()
        while not ended.wait(PAUSE_S):
            began_s = time.monotonic()
            stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
            delays_s.append(time.monotonic() - began_s)
    sys.stdout.write(json.dumps(delays_s))


def _wait_for_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


if __name__ == "__main__":
    main()
