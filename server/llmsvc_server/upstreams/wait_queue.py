"""The queue in front of one provider: bounded for each model, its turns go round callers.

It keeps who waits and who has what; who may go is decided by the pool, which knows where to.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from typing_extensions import override

from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.errors import LlmsvcError, ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.upstreams.latency import LatencyStats
from llmsvc_server.upstreams.lease import Lease
from llmsvc_server.upstreams.settings import UpstreamSettings
from llmsvc_server.upstreams.turns import Turns

MAX_MODELS = 256
RETRY_AFTER_S = (1.0, 30.0)


@dataclass(slots=True, eq=False)
class Waiter:
    """One chat that waits in the running loop.

    Attributes:
        model, caller: What it waits for, and for whom.
        timeout_s: How long at most.
        full: What it ends with then.
        lease: Its lease, once it is its turn; a failure, once it is sent away.
    """

    model: str
    caller: str
    timeout_s: float
    full: ProviderError
    lease: asyncio.Future[Lease] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def unclaimed(self) -> Lease | None:
        """A lease that came in the moment of leaving; None if there is none."""
        is_given = self.lease.done() and not self.lease.cancelled()
        return self.lease.result() if is_given and self.lease.exception() is None else None

    async def wait(self) -> Lease:
        """Return the lease once it is there.

        Raises:
            ProviderError: QUEUE_FULL. It was not there in time, or others who have less came.
            LlmsvcError: What the waiter was sent away with.
        """
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self.lease
        except TimeoutError:
            raise self.full from None


@dataclass(slots=True, eq=False)
class _Line:
    """One model's: whose turn it is there, who waits, what runs, and when the last one began."""

    turns: Turns = field(default_factory=Turns)
    waiters: dict[str, deque[Waiter]] = field(default_factory=dict)
    running: int = 0
    served_s: float = float("-inf")

    @property
    def waiting(self) -> int:
        return sum(map(len, self.waiters.values()))


class WaitQueue:
    """Who waits, and who has what. Who leaves costs nothing.

    Attributes:
        turns: Over all models.
    """

    def __init__(self, settings: UpstreamSettings, latency: LatencyStats) -> None:
        """Let nobody wait yet; `latency` says how long answers take."""
        self._settings = settings
        self._latency = latency
        self._lines: dict[str, _Line] = {}
        self.turns = Turns()

    @override
    def __repr__(self) -> str:
        """Return how many of each model wait and run."""
        said = [
            f"{model} {line.waiting} wait {line.running} run"
            for model, line in self._lines.items()
            if line.waiters or line.running
        ]
        return f"<WaitQueue: {', '.join(said) or 'idle'}>"

    @property
    def models(self) -> Sequence[str]:
        """The models that somebody waits for."""
        if not self.turns.callers_waiting:
            return ()
        return [model for model, line in self._lines.items() if line.waiters]

    def wait_s(self, model: str) -> float:
        """Return how long a newcomer would wait, in seconds, by what is usual."""
        line = self._lines.get(model)
        if line is None:
            return 0.0
        return line.waiting * self._latency.mean_answer_s(model) / max(1, line.running)

    def begin(self, model: str, caller: str, now_s: float) -> None:
        """Note that a chat begins to run: its caller's turn."""
        line = self._lines.get(model) or self._add(model)
        line.running += 1
        line.served_s = now_s
        line.turns.begin(caller)
        self.turns.begin(caller)

    def end(self, model: str, caller: str) -> None:
        """Note that a chat runs no more."""
        line = self._lines[model]
        line.running -= 1
        line.turns.end(caller)
        self.turns.end(caller)

    def join(self, model: str, caller: str, limits: AttemptLimits) -> Waiter:
        """Return a new waiter.

        In a full queue the newest of the caller that has most makes room, where that evens out.

        Raises:
            ProviderError: QUEUE_FULL. There is no room, or no time to wait.
        """
        timeout_s = self._timeout_s(model, limits)
        line = self._lines.get(model) or self._add(model)
        if timeout_s <= 0 or not self._make_room(model, line, caller):
            raise self._full(model)
        waiter = Waiter(model, caller, timeout_s, self._full(model))
        line.waiters.setdefault(caller, deque()).append(waiter)
        line.turns.wait(caller)
        self.turns.wait(caller)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Let a waiter go, whose turn has come or who has no more time; a second time does nothing."""
        line = self._lines.get(waiter.model)
        waiters = None if line is None else line.waiters.get(waiter.caller)
        if line is None or waiters is None or waiter not in waiters:
            return
        waiters.remove(waiter)
        if not waiters:
            del line.waiters[waiter.caller]
        line.turns.leave(waiter.caller)
        self.turns.leave(waiter.caller)

    def next_of(self, models: Iterable[str]) -> Waiter:
        """Return whose turn it is among those that wait for these models, of which there are some.

        One model's callers take their turns there. Where several models have room, it is places
        that they share which were short, and turns go round callers, however many models they name;
        of one caller's models the one that was served last comes last.
        """
        lines = [self._lines[model] for model in models]
        turns = lines[0].turns if len(lines) == 1 else self.turns
        *_, number, caller = min(
            (turns.order(caller), line.served_s, number, caller)
            for number, line in enumerate(lines)
            for caller in line.waiters
        )
        return lines[number].waiters[caller][0]

    def send_away(self, waiter: Waiter, error: LlmsvcError) -> None:
        """End a wait with a failure."""
        self.leave(waiter)
        if not waiter.lease.done():
            waiter.lease.set_exception(error)

    def waiters(self, model: str) -> Sequence[Waiter]:
        """Return those that wait for a model."""
        line = self._lines.get(model)
        return () if line is None else [one for of in line.waiters.values() for one in of]

    def _make_room(self, model: str, line: _Line, caller: str) -> bool:
        if line.waiting < self._settings.max_queued:
            return True
        greediest = max(line.waiters, key=line.turns.held, default=caller)
        if line.turns.held(caller) + 1 >= line.turns.held(greediest):
            return False
        self.send_away(line.waiters[greediest][-1], self._full(model))
        return True

    def _timeout_s(self, model: str, limits: AttemptLimits) -> float:
        left_s = limits.finish_by.remaining_s()
        if limits.fallback_follows:
            return min(self._settings.queue_timeout_s, left_s / 4)
        return left_s - self._latency.answer_s(model)

    def _full(self, model: str) -> ProviderError:
        min_s, max_s = RETRY_AFTER_S
        wait_s = min(max_s, max(min_s, self.wait_s(model)))
        return ProviderError(
            ErrorKind.QUEUE_FULL, retry_after_s=wait_s, called=False, phase="queue"
        )

    def _add(self, model: str) -> _Line:
        if len(self._lines) >= MAX_MODELS:
            self._lines = {
                name: one for name, one in self._lines.items() if one.waiters or one.running
            }
        line = self._lines[model] = _Line()
        return line
