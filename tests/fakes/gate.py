"""A place where a fake stops until the test lets it go on."""

import asyncio

from tests.fakes.eventually import PATIENCE_S, eventually


class Gate:
    """Closed at first. Who comes to it waits until it is open.

    Attributes:
        arrivals: How many came so far.
        waiting: How many wait now.
    """

    def __init__(self) -> None:
        """Be closed, with nobody in front."""
        self.arrivals = 0
        self.waiting = 0
        self._open = asyncio.Event()

    async def passed(self) -> None:
        """Arrive, and wait until the gate is open. The fake's side."""
        self.arrivals += 1
        self.waiting += 1
        try:
            await self._open.wait()
        finally:
            self.waiting -= 1

    async def reached(self, n: int = 1, *, within_s: float = PATIENCE_S) -> None:
        """Wait until `n` have arrived in all, those that went through included.

        Raises:
            AssertionError: Fewer came within `within_s` seconds.
        """
        await eventually(lambda: self.arrivals >= n, within_s=within_s)

    def open(self) -> None:
        """Let through who waits and who comes later."""
        self._open.set()

    def close(self) -> None:
        """Stop who comes from now on."""
        self._open.clear()
