"""Run by a test, which then kills it: opens streams, says "ready" once all have begun, stays."""

import asyncio
import sys

import grpc

from llmsvc.v1 import llm_pb2_grpc
from tests.fakes.requests import chat_message


async def main(address: str, count: int) -> None:
    """Open `count` streams at `address`."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = llm_pb2_grpc.LLMServiceStub(channel)
        calls = [stub.ChatStream(chat_message()) for _ in range(count)]
        for call in calls:
            _ = await call.read()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
