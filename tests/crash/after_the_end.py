"""Run by a test: detached tasks that look at everything they can once their call is over.

On grpcio 1.81 to 1.85 whoever touches a call's context then reads freed memory or crashes.
"""

import asyncio
import contextlib
import dataclasses
import gc
import json
import sys

import grpc
import uvloop

from llmsvc_server.app.tasks import Background
from llmsvc_server.rpc.callinfo import Call, current_call
from tests.crash.pacing_provider import PacingProvider
from tests.fakes.assembled import MODEL, assembled
from tests.fakes.eventually import eventually
from tests.fakes.requests import chat_message


class Lookers:
    """Tasks that outlive the calls in whose context they were started."""

    def __init__(self, background: Background) -> None:
        """Run them in `background`."""
        self._background = background
        self._over = asyncio.Event()
        self.begun = 0
        self.seen: list[str] = []

    def begin(self) -> None:
        """Start one, from inside a call."""
        self.begun += 1
        _ = self._background.start(self._look())

    async def over(self) -> None:
        """Let them look, and wait until all have."""
        self._over.set()
        await eventually(lambda: len(self.seen) == self.begun)

    async def _look(self) -> None:
        await self._over.wait()
        call = current_call.get()
        facts = {field.name: getattr(call, field.name) for field in dataclasses.fields(Call)}
        self.seen.append(f"{call.request_id} {call.finish_by.remaining_s():.0f} {facts!r}")


async def main(count: int) -> None:
    """Cancel `count` streams in the middle; look; print how many looked and saw their own id."""
    provider = PacingProvider(model=MODEL, seed=1)
    async with assembled(provider) as service, Background() as background:
        lookers = Lookers(background)
        provider.at_end = lookers.begin
        for number in range(count):
            call = service.stub.ChatStream(
                chat_message(), metadata=(("x-request-id", f"req-{number}"),)
            )
            with contextlib.suppress(grpc.aio.AioRpcError):
                for _ in range(number % 3):
                    _ = await call.read()
            call.cancel()
        await eventually(lambda: not (len(service.in_flight) or provider.inside))
        gc.collect()
        await lookers.over()
        reported = {one.request_id for one in service.reporter.rpcs}
        seen = {one.split()[0] for one in lookers.seen}
    sys.stdout.write(json.dumps({"begun": lookers.begun, "strangers": sorted(seen - reported)}))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
