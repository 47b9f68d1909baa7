"""A bare grpc.aio server on uvloop: bytes in, ready-made bytes out, nothing else."""

import argparse
import asyncio
import signal
from collections.abc import Awaitable, Callable

import grpc

from llmsvc.v1 import llm_pb2
from tests.bench.floors import options

_WORDS = [
    "river",
    "stone",
    "field",
    "cloud",
    "lantern",
    "window",
    "garden",
    "bridge",
    "market",
    "tower",
    "harbor",
    "meadow",
    "candle",
    "forest",
    "pencil",
    "ladder",
    "silver",
    "copper",
    "orchard",
    "thunder",
    "valley",
    "marble",
    "anchor",
    "basket",
    "circle",
]
DELTAS = tuple(
    llm_pb2.ChatStreamResponse(delta=llm_pb2.PartDelta(text=f" {word}")).SerializeToString()
    for word in _WORDS
)
PIECES = (
    llm_pb2.ChatStreamResponse(
        delta=llm_pb2.PartDelta(tool_call=llm_pb2.ToolCallDelta(arguments_json=" " + "x" * 65))
    ).SerializeToString(),
)
REPLY = llm_pb2.ChatResponse(
    message=llm_pb2.Message(parts=[llm_pb2.ContentPart(text=" ".join(_WORDS[:8]))])
).SerializeToString()

Context = grpc.aio.ServicerContext[bytes, bytes]


async def serve(
    arguments: argparse.Namespace,
    chat: Callable[[bytes, Context], Awaitable[bytes]],
    chat_stream: Callable[[bytes, Context], Awaitable[None]],
) -> None:
    """Serve both methods on the port asked for, until SIGINT or SIGTERM."""
    server = grpc.aio.server(options=options.channel_options(arguments))
    server.add_registered_method_handlers(
        "llmsvc.v1.LLMService",
        {
            "Chat": grpc.unary_unary_rpc_method_handler(chat),
            "ChatStream": grpc.unary_stream_rpc_method_handler(chat_stream),
        },
    )
    server.add_insecure_port(f"127.0.0.1:{arguments.port}")
    await server.start()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    await server.stop(0)
