"""The floor of memory: uvloop, grpc.aio and aiohttp in one process, relaying without a look."""

import argparse
import contextlib

import aiohttp
import uvloop

from tests.bench.floors import bare, options
from tests.bench.floors.prompts import read_prompt


async def _serve(arguments: argparse.Namespace) -> None:
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(
            aiohttp.ClientSession(
                arguments.upstream,
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        )

        async def chat(request: bytes, _context: bare.Context) -> bytes:
            async with session.post("/api/chat", json=read_prompt(request).body()) as response:
                await response.read()
            return bare.REPLY

        async def chat_stream(request: bytes, context: bare.Context) -> None:
            reads = 0
            async with session.post("/api/chat", json=read_prompt(request).body()) as response:
                while await response.content.readany():
                    await context.write(bare.DELTAS[reads % len(bare.DELTAS)])
                    reads += 1

        await bare.serve(arguments, chat, chat_stream)


if __name__ == "__main__":
    uvloop.run(_serve(options.parser(__doc__).parse_args()))
