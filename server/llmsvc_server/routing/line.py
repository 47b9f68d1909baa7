"""The queue in front of one model: so many run, the others wait in order."""

import asyncio
import statistics
from collections import deque

from llmsvc_server.chat.deadline import Budget
from llmsvc_server.errors import QueueFull, ShuttingDown

REMEMBERED_ANSWERS = 32


class Line:
    """A bounded first-in, first-out queue. Who leaves it costs nothing."""

    def __init__(self, *, slots: int, max_queued: int) -> None:
        """Let `slots` run at once and `max_queued` wait."""
        self._slots = slots
        self._max_queued = max_queued
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._durations_s: deque[float] = deque(maxlen=REMEMBERED_ANSWERS)
        self._closed = False
        self.running = 0

    @property
    def idle(self) -> bool:
        """Whether nobody runs and nobody waits."""
        return self.running == 0 and not self._waiters

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiters)

    async def enter(self, budget: Budget, *, most_wait_s: float) -> bool:
        """Take one slot, which `leave` gives back; return whether it was waited for.

        Args:
            budget: Of the attempt. Where a fallback follows, the wait is at most `most_wait_s`
                and a quarter of the time left; else it lasts until a usual answer would come too
                late (failover.md 8).
            most_wait_s: Longest wait while a fallback follows.

        Raises:
            QueueFull: Too many wait already, or the wait took too long.
            ShuttingDown: The server drains.
        """
        if self.running < self._slots and not self._waiters:
            self.running += 1
            return False
        await self._wait(self._patience_s(budget, most_wait_s))
        return True

    def leave(self, answered_in_s: float | None = None) -> None:
        """Give a slot back, to who waits longest.

        Args:
            answered_in_s: How long the answer took, in seconds; None where there was none.
        """
        if answered_in_s is not None:
            self._durations_s.append(answered_in_s)
        while self._waiters:
            successor = self._waiters.popleft()
            if not successor.done():
                successor.set_result(None)
                return
        self.running -= 1

    def close(self) -> None:
        """Send whoever waits, and whoever would, away: the server drains."""
        self._closed = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(ShuttingDown())
        self._waiters.clear()

    async def _wait(self, patience_s: float) -> None:
        if self._closed:
            raise ShuttingDown
        if len(self._waiters) >= self._max_queued or patience_s <= 0:
            raise QueueFull(retry_after_s=self._retry_after_s(), called=False, phase="queue")
        ours = asyncio.get_running_loop().create_future()
        self._waiters.append(ours)
        try:
            async with asyncio.timeout(patience_s):
                await ours
        except BaseException as error:
            self._step_back(ours)
            if isinstance(error, TimeoutError):
                raise QueueFull(
                    retry_after_s=self._retry_after_s(), called=False, phase="queue"
                ) from None
            raise

    def _step_back(self, ours: asyncio.Future[None]) -> None:
        if ours in self._waiters:
            self._waiters.remove(ours)
        elif not ours.cancelled() and ours.exception() is None:
            self.leave()  # the slot came in the moment of leaving: hand it on

    def _patience_s(self, budget: Budget, most_wait_s: float) -> float:
        left_s = budget.finish_by.remaining_s()
        if budget.fallback_follows:
            return min(most_wait_s, left_s / 4)
        usual_s = statistics.median(self._durations_s) if self._durations_s else 0.0
        return left_s - max(1.0, usual_s)

    def _retry_after_s(self) -> float:
        usual_s = statistics.fmean(self._durations_s) if self._durations_s else 1.0
        return min(30.0, max(1.0, len(self._waiters) * usual_s / self._slots))
