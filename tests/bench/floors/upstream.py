"""The floor of the upstream side: bare aiohttp on uvloop against the fake upstream."""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import uvloop

from tests.bench.floors import options
from tests.bench.floors.pace import chance, until
from tests.bench.floors.prompts import Prompt


async def _post(session: aiohttp.ClientSession, arguments: argparse.Namespace) -> None:
    """Post and read whole answers for ever, a few at a time."""
    await _post_for_ever(session, arguments, {"json": Prompt(mode="whole", tokens=8).body()})


async def _repost(session: aiohttp.ClientSession, arguments: argparse.Namespace) -> None:
    """Post for ever, as it is, what the upstream was asked last, and read whole answers."""
    async with session.get("/bench/asked", raise_for_status=True) as response:
        body = await response.read()
    how = {"data": body, "headers": {"Content-Type": "application/json"}}
    await _post_for_ever(session, arguments, how)


async def _post_for_ever(
    session: aiohttp.ClientSession, arguments: argparse.Namespace, how: Mapping[str, Any]
) -> None:
    async def caller() -> None:
        while True:
            async with session.post("/api/chat", **how) as response:
                await response.read()

    async with asyncio.TaskGroup() as group:
        for _ in range(arguments.streams):
            group.create_task(caller())


async def _read(session: aiohttp.ClientSession, arguments: argparse.Namespace) -> None:
    """Read paced answers, their starts spread."""
    begun_s = asyncio.get_running_loop().time()

    async def caller() -> None:
        await until(begun_s + arguments.spread_s * chance())
        prompt = Prompt(mode="paced", tokens=1_000_000, interval_us=arguments.interval_us)
        async with session.post("/api/chat", json=prompt.body()) as response:
            while await response.content.readany():
                pass

    async with asyncio.TaskGroup() as group:
        for _ in range(arguments.streams):
            group.create_task(caller())


async def _first(session: aiohttp.ClientSession, arguments: argparse.Namespace) -> None:
    """Print how long first tokens take, call after call."""
    loop, first_ns = asyncio.get_running_loop(), []
    for number in range(arguments.count):
        await until(loop.time() + 0.005 + 0.01 * chance())
        body = Prompt(mode="paced", tokens=3, interval_us=2000, wait_us=2000, id=number).body()
        begun_ns = time.monotonic_ns()  # the loop's own clock counts milliseconds
        async with session.post("/api/chat", json=body) as response:
            await response.content.readany()
            first_ns.append(time.monotonic_ns() - begun_ns)
            await response.read()
    sys.stdout.write(f'{{"first_ns":{first_ns}}}\n')


_JOBS: dict[str, Callable[[aiohttp.ClientSession, argparse.Namespace], Awaitable[None]]] = {
    "post": _post,
    "repost": _repost,
    "read": _read,
    "first": _first,
}


async def _main(arguments: argparse.Namespace) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        arguments.upstream, connector=connector, timeout=timeout
    ) as session:
        await _JOBS[arguments.job](session, arguments)


if __name__ == "__main__":
    flags = options.parser(__doc__)
    flags.add_argument("job", choices=list(_JOBS))
    flags.add_argument("--streams", type=int, default=8, help="requests at a time")
    flags.add_argument("--spread-s", type=float, default=2, help="between starts of the job read")
    flags.add_argument("--interval-us", type=int, default=20_000, help="between tokens")
    flags.add_argument("--count", type=int, default=100, help="calls of the job first")
    uvloop.run(_main(flags.parse_args()))
