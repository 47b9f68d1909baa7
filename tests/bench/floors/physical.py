"""The physical floor: the door in the loop and posts without a session, relaying without a look.

Less than this no Python process can do that takes a call by gRPC's core and asks an upstream by
aiohttp's parser. It runs our own parts (`rpc/door`, `providers/http/direct_post.py`), so it gets cheaper
where they do.
"""

import argparse
import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import aiohttp
import grpc
import uvloop
from yarl import URL

from llmsvc_server.providers.http.direct_post import DirectPost, DirectResponse, Parsing
from llmsvc_server.rpc.door.choice import Wish, open_door
from llmsvc_server.rpc.door.interface import Context, Handler, NoGuard, Options
from tests.bench.floors import bare, options
from tests.bench.floors.prompts import read_prompt

_PARSING = Parsing(
    auto_decompress=False, read_bufsize=65_536, max_line_size=8_190, max_field_size=8_190
)


class _Relay:
    def __init__(self, post: DirectPost) -> None:
        self._post = post

    async def chat(self, _requests: object, context: Context) -> bytes:
        async with self._answer(await context.read()) as response:
            await response.content.read()
        return bare.REPLY

    async def chat_stream(self, _requests: object, context: Context) -> None:
        reads = 0
        async with self._answer(await context.read()) as response:
            while await response.content.readany():
                await context.write(bare.DELTAS[reads % len(bare.DELTAS)])
                reads += 1

    @asynccontextmanager
    async def _answer(self, request: bytes) -> AsyncIterator[DirectResponse]:
        response = await self._post.send(json.dumps(read_prompt(request).body()).encode())
        try:
            yield response
        finally:
            response.close()


async def _serve(arguments: argparse.Namespace) -> None:
    opened = await open_door(Wish.IN_LOOP)
    async with aiohttp.TCPConnector(limit=0) as connector:
        post = DirectPost(
            URL(f"{arguments.upstream}/api/chat"),
            {"Content-Type": "application/json"},
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None),
            parsing=_PARSING,
        )
        relay = _Relay(post)
        server = opened.door.make_server(
            NoGuard(), cast("Options", tuple(options.channel_options(arguments)))
        )
        handlers: dict[str, Handler] = {
            "Chat": grpc.stream_unary_rpc_method_handler(relay.chat),
            "ChatStream": grpc.stream_stream_rpc_method_handler(relay.chat_stream),
        }
        server.add_registered_method_handlers("llmsvc.v1.LLMService", handlers)
        server.add_insecure_port(f"127.0.0.1:{arguments.port}")
        await server.start()
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        await stopped.wait()
        await server.stop(0)


if __name__ == "__main__":
    uvloop.run(_serve(options.parser(__doc__).parse_args()))
