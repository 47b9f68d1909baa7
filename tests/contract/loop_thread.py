"""A served router on an event loop of its own thread, for callers that block."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import uvloop

from llmsvc_server.providers.abilities import Catalogue
from tests.fakes.assembled import Assembled, assembled
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.scripted_provider import ScriptedProvider

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedElsewhere:
    """A server that another thread runs, and its one provider, which a test scripts."""

    service: Assembled
    provider: ScriptedProvider
    loop: asyncio.AbstractEventLoop
    over: asyncio.Event

    def do(self, work: Callable[[], _Result]) -> _Result:
        """Return what `work` gives, done on the server's loop, between its callbacks."""

        async def on_the_loop() -> _Result:
            return work()

        return asyncio.run_coroutine_threadsafe(on_the_loop(), self.loop).result(PATIENCE_S)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return as soon as `condition`, asked on the server's loop, holds.

        Raises:
            AssertionError: It did not within its patience.
        """
        asyncio.run_coroutine_threadsafe(eventually(condition), self.loop).result(2 * PATIENCE_S)

    def refreshed(self, listing: Catalogue) -> None:
        """Have the provider list this, and the server look at it."""
        self.provider.listing = listing
        look = self.service.inventory.refresh(self.provider.info.name, self.provider.info.name)
        asyncio.run_coroutine_threadsafe(look, self.loop).result(PATIENCE_S)


@contextmanager
def served_elsewhere(provider: ScriptedProvider) -> Iterator[ServedElsewhere]:
    """Serve `provider` while the block runs."""
    started: Future[ServedElsewhere] = Future()

    async def live() -> None:
        over = asyncio.Event()
        async with assembled(provider) as service:
            loop = asyncio.get_running_loop()
            started.set_result(
                ServedElsewhere(service=service, provider=provider, loop=loop, over=over)
            )
            await over.wait()

    def run() -> None:
        uvloop.run(live())

    with ThreadPoolExecutor(1) as thread:
        life = thread.submit(run)
        served = _first(started, life)
        try:
            yield served
        finally:
            served.do(served.over.set)
            life.result(PATIENCE_S)


def _first(started: "Future[ServedElsewhere]", life: "Future[None]") -> ServedElsewhere:
    """Return the server once it runs; raise what ended its life before that."""
    both: list[Future[Any]] = [started, life]
    wait(both, timeout=PATIENCE_S, return_when=FIRST_COMPLETED)
    if not started.done():
        life.result(0)
    return started.result(0)
