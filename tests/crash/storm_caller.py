"""Started by `storm.py`: makes calls that are cancelled anywhere, a round for each line that it reads.

A process of its own: a client beside a server in the loop has a thread that polls, and what both hold
of memory grows (docs/facts/hot-path.md 8).
"""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Sequence

import grpc
import uvloop

from llmsvc.v1 import llm_pb2_grpc
from tests.fakes.requests import chat_message

AT_ONCE = 80
"""Below the 100 streams that a connection may have, so that few calls wait at the client."""


PAUSES_S = (None, 0.0, 0.01, 0.03, 0.06, 0.1)


class Storm:
    """Makes the calls, and counts how they ended."""

    def __init__(self, stubs: Sequence["llm_pb2_grpc.LLMServiceAsyncStub"], seed: int) -> None:
        """Call over `stubs`, by the dice of `seed`."""
        self._stubs = stubs
        self._dice = random.Random(seed)  # noqa: S311  a test's dice
        self.codes: Counter[str] = Counter()

    async def calls(self, count: int) -> None:
        """Make `count` calls, some at a time."""
        shares = [count // AT_ONCE + (lane < count % AT_ONCE) for lane in range(AT_ONCE)]
        async with asyncio.TaskGroup() as group:
            for lane, share in enumerate(shares):
                _ = group.create_task(self._lane(self._stubs[lane % len(self._stubs)], share))

    async def _lane(self, stub: "llm_pb2_grpc.LLMServiceAsyncStub", count: int) -> None:
        for _ in range(count):
            call = self._unary(stub) if self._dice.random() < 0.5 else self._stream(stub)
            self.codes[(await call).name] += 1

    async def _unary(self, stub: "llm_pb2_grpc.LLMServiceAsyncStub") -> grpc.StatusCode:
        call = stub.Chat(chat_message())
        await self._a_moment()
        call.cancel()
        return await call.code()

    async def _stream(self, stub: "llm_pb2_grpc.LLMServiceAsyncStub") -> grpc.StatusCode:
        call = stub.ChatStream(chat_message())
        try:
            for _ in range(self._dice.randrange(6)):
                if await call.read() is grpc.aio.EOF:
                    break
            await self._a_moment()
        except grpc.aio.AioRpcError as error:
            return error.code()
        call.cancel()
        return await call.code()

    async def _a_moment(self) -> None:
        length_s = self._dice.choice(PAUSES_S)
        if length_s is not None:
            await asyncio.sleep(length_s)


async def main(address: str, seed: int) -> None:
    """Make as many calls at `address` as each line says; write how they ended, as JSON."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with (
        grpc.aio.insecure_channel(address, options) as one,
        grpc.aio.insecure_channel(address, options) as other,
    ):
        stubs = [llm_pb2_grpc.LLMServiceStub(one), llm_pb2_grpc.LLMServiceStub(other)]
        storm = Storm(stubs, seed)
        while line := await asyncio.to_thread(sys.stdin.readline):
            await storm.calls(int(line))
            sys.stdout.write(json.dumps(storm.codes) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
