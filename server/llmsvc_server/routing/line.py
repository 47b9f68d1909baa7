"""The queue in front of one model: first in, first out, bounded. Who leaves it costs nothing."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from llmsvc_server.errors import LlmsvcError, QueueFull

T = TypeVar("T")


class Line(Generic[T]):
    """Hands places to whoever waits longest. What a place is, the pool knows."""

    def __init__(
        self, *, most: int, take: Callable[[], T | None], give_back: Callable[[T], None]
    ) -> None:
        """Let at most `most` wait.

        Args:
            most: How many may wait.
            take: Reserves a place; None where there is none free.
            give_back: Takes one back that nobody needs any more.
        """
        self._most = most
        self._take = take
        self._give_back = give_back
        self._waiters: deque[asyncio.Future[T]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiters)

    async def wait(self, patience_s: float, *, retry_after_s: float) -> T:
        """Return a place once it is this caller's turn.

        Args:
            patience_s: Longest wait, in seconds.
            retry_after_s: Advice for who waits in vain.

        Raises:
            QueueFull: Too many wait already, or the wait took too long.
            LlmsvcError: What `refuse` was given meanwhile.
        """
        if len(self._waiters) >= self._most or patience_s <= 0:
            raise QueueFull(retry_after_s=retry_after_s, called=False, phase="queue")
        ours: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiters.append(ours)
        self.wake()  # a place may have come free between the caller's look and its wait
        try:
            async with asyncio.timeout(patience_s):
                return await ours
        except BaseException as error:
            self._step_back(ours)
            if isinstance(error, TimeoutError):
                raise QueueFull(retry_after_s=retry_after_s, called=False, phase="queue") from None
            raise

    def wake(self) -> None:
        """Hand out what is free now."""
        while self._waiters:
            if self._waiters[0].done():
                _ = self._waiters.popleft()  # it is leaving
                continue
            place = self._take()
            if place is None:
                return
            self._waiters.popleft().set_result(place)

    def refuse(self, error: Callable[[], LlmsvcError]) -> None:
        """Send everybody who waits away, each with an error of its own."""
        waiters, self._waiters = self._waiters, deque()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(error())

    def _step_back(self, ours: "asyncio.Future[T]") -> None:
        if ours in self._waiters:
            self._waiters.remove(ours)
        elif not ours.cancelled() and ours.exception() is None:
            self._give_back(ours.result())  # it came in the moment of leaving: hand it on
