"""Run by a test: thousands of calls that are cancelled anywhere; prints what is left as JSON."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections import Counter

import psutil
import uvloop

from tests.crash.pacing_provider import PacingProvider
from tests.fakes.assembled import MODEL, assembled
from tests.fakes.eventually import eventually


async def main(count: int, seed: int) -> None:
    """Storm `count` calls in five rounds; print what is left."""
    provider = PacingProvider(model=MODEL, seed=seed)
    starts, reported, resident_bytes = 0, Counter[str](), []
    ended: dict[str, int] = {}
    async with assembled(provider) as service:
        caller = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-W", "error", "-m", "tests.crash.storm_caller", service.address, str(seed)),
            stdin=PIPE,
            stdout=PIPE,
        )
        assert caller.stdin is not None
        assert caller.stdout is not None
        reporter = service.reporter
        tasks = len(asyncio.all_tasks())
        for _ in range(5):
            caller.stdin.write(f"{count // 5}\n".encode())
            ended = json.loads(await caller.stdout.readline())
            await eventually(lambda: not (len(service.in_flight) or provider.inside))
            starts += len(reporter.starts)
            reported.update(one.code for one in reporter.rpcs)
            reporter.starts.clear()
            reporter.rpcs.clear()
            resident_bytes.append(psutil.Process().memory_info().rss)
        caller.stdin.close()
        await caller.wait()
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks)
        left = {
            "in_flight": len(service.in_flight),
            "running": service.admission.running,
            "inside": provider.inside,
            "starts": starts,
            "reported": reported,
            "ended": ended,
            "resident_bytes": resident_bytes,
        }
    sys.stdout.write(json.dumps(left))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
