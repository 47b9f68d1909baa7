"""The queue in front of one model: bounded, its turns go round callers. Who leaves costs nothing."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from llmsvc_server.errors import LlmsvcError, ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.turns import Turns

T = TypeVar("T")


class Line(Generic[T]):
    """Hands places to callers in turn, to each in the order it asked. What they are, the pool knows."""

    def __init__(
        self,
        turns: Turns,
        *,
        most: int,
        take: Callable[[str], T | None],
        give_back: Callable[[T], None],
    ) -> None:
        """Let at most `most` wait.

        Args:
            turns: Whose turn it is at this model; told of those who wait.
            most: How many may wait.
            take: Reserves a place for a caller; None where there is none free.
            give_back: Takes one back that nobody needs any more.
        """
        self._turns = turns
        self._most = most
        self._take = take
        self._give_back = give_back
        self._waiters: dict[str, deque[asyncio.Future[T]]] = {}

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiters.values()))

    @property
    def callers(self) -> list[str]:
        """Those who wait."""
        for caller, waiters in list(self._waiters.items()):
            while waiters and waiters[0].done():
                self._remove(caller, waiters[0])  # it is leaving
        return list(self._waiters)

    async def wait(self, caller: str, patience_s: float, *, retry_after_s: float) -> T:
        """Return a place once it is this caller's turn.

        With the queue full, the newest of whoever has most makes room for who has less.

        Args:
            caller: Whose turn it has to be.
            patience_s: Longest wait, in seconds.
            retry_after_s: Advice for who waits in vain.

        Raises:
            ProviderError: QUEUE_FULL. Too many wait already, others who have less came, or the wait took too long.
            LlmsvcError: What `refuse` was given meanwhile.
        """

        def full() -> ProviderError:
            return ProviderError(
                ErrorKind.QUEUE_FULL, retry_after_s=retry_after_s, called=False, phase="queue"
            )

        if patience_s <= 0 or not self._has_room(caller, full):
            raise full()
        ours: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(caller, deque()).append(ours)
        self._turns.wait(caller)
        try:
            self._wake()
            async with asyncio.timeout(patience_s):
                return await ours
        except BaseException as error:
            self._step_back(caller, ours)
            if isinstance(error, TimeoutError):
                raise full() from None
            raise

    def serve(self, caller: str) -> bool:
        """Hand out one place to one of `callers`; return whether there was any."""
        place = self._take(caller)
        if place is None:
            return False
        ours = self._waiters[caller][0]
        self._remove(caller, ours)
        ours.set_result(place)
        return True

    def refuse(self, error: Callable[[], LlmsvcError]) -> None:
        """Send everybody who waits away, each with an error of its own."""
        for caller, waiters in list(self._waiters.items()):
            for waiter in list(waiters):
                self._send_away(caller, waiter, error)

    def _wake(self) -> None:
        """Hand out what came free between a caller's look and its wait."""
        while callers := self.callers:
            if not self.serve(min(callers, key=self._turns.order)):
                return

    def _has_room(self, caller: str, full: Callable[[], ProviderError]) -> bool:
        """Return whether one more may wait; whoever has most makes room where that evens out."""
        if self.waiting < self._most:
            return True
        greediest = max(self._waiters, key=self._turns.held, default=caller)
        if self._turns.held(caller) + 1 >= self._turns.held(greediest):
            return False
        self._send_away(greediest, self._waiters[greediest][-1], full)
        return True

    def _send_away(
        self, caller: str, waiter: "asyncio.Future[T]", error: Callable[[], LlmsvcError]
    ) -> None:
        self._remove(caller, waiter)
        if not waiter.done():
            waiter.set_exception(error())

    def _step_back(self, caller: str, ours: "asyncio.Future[T]") -> None:
        if ours in self._waiters.get(caller, ()):
            self._remove(caller, ours)
        elif not ours.cancelled() and ours.exception() is None:
            self._give_back(ours.result())  # it came in the moment of leaving: hand it on

    def _remove(self, caller: str, ours: "asyncio.Future[T]") -> None:
        waiters = self._waiters[caller]
        waiters.remove(ours)
        if not waiters:
            del self._waiters[caller]
        self._turns.leave(caller)
