"""Run by a test: thousands of calls that are cancelled anywhere; prints what is left as JSON."""

import asyncio
import ctypes
import gc
import json
import random
import sys
from collections import Counter
from collections.abc import Sequence

import grpc
import psutil
import uvloop

from llmsvc.v1 import llm_pb2_grpc
from tests.crash.pacing_provider import PacingProvider
from tests.fakes.assembled import MODEL, assembled
from tests.fakes.eventually import eventually
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


def _lasting_bytes() -> int:
    """Return what is resident once neither Python nor glibc keeps what nobody uses any more."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return psutil.Process().memory_info().rss


async def main(count: int, seed: int) -> None:
    """Storm `count` calls in five rounds; print what is left."""
    provider = PacingProvider(model=MODEL, seed=seed)
    own_connection = [("grpc.use_local_subchannel_pool", 1)]
    starts, reported, resident_bytes = 0, Counter[str](), []
    async with (
        assembled(provider) as service,
        grpc.aio.insecure_channel(service.address, own_connection) as other,
    ):
        stubs = [service.stub, llm_pb2_grpc.LLMServiceStub(other)]
        storm, reporter = Storm(stubs, seed), service.reporter
        tasks = len(asyncio.all_tasks())
        for _ in range(5):
            await storm.calls(count // 5)
            await eventually(lambda: not (len(service.in_flight) or provider.inside))
            starts += len(reporter.starts)
            reported.update(one.code for one in reporter.rpcs)
            reporter.starts.clear()
            reporter.rpcs.clear()
            resident_bytes.append(_lasting_bytes())
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks)
        left = {
            "in_flight": len(service.in_flight),
            "running": service.admission.running,
            "inside": provider.inside,
            "starts": starts,
            "reported": reported,
            "ended": storm.codes,
            "resident_bytes": resident_bytes,
        }
    sys.stdout.write(json.dumps(left))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
