"""Wrapper: so many chats at a time per model over all endpoints, while the others wait in order.

Upstream the same queue would be unbounded, and nobody would see it.
"""

import random
import statistics
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial

from llmsvc_server.chat.deadline import Budget, Clock
from llmsvc_server.chat.events import ChatEvents, Done, Phase, Waiting
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import ProviderInfo
from llmsvc_server.errors import ProviderError, ProviderUnreachable, ShuttingDown
from llmsvc_server.reports import Reporter, Subject, Transition, TransitionState
from llmsvc_server.routing.budget import Patience
from llmsvc_server.routing.endpoint import Endpoint
from llmsvc_server.routing.line import Line
from llmsvc_server.routing.place import Place

REMEMBERED_MODELS = 256
REMEMBERED_ANSWERS = 32
LEAST_ANSWER_S = 1.0
RETRY_AFTER_S = (1.0, 30.0)


class _Queue:
    """One model's line, and how long its answers take."""

    def __init__(self, line: Line[Place]) -> None:
        self.line = line
        self.running = 0
        self.served_s = float("-inf")
        self.answers_s: deque[float] = deque(maxlen=REMEMBERED_ANSWERS)

    @property
    def idle(self) -> bool:
        return not self.running and not self.line.waiting

    def wait_s(self) -> float:
        """Return how long those that wait now will take to be served."""
        usual_s = statistics.fmean(self.answers_s) if self.answers_s else LEAST_ANSWER_S
        return self.line.waiting * usual_s / max(1, self.running)

    def retry_after_s(self) -> float:
        least_s, most_s = RETRY_AFTER_S
        return min(most_s, max(least_s, self.wait_s()))


class Pooled:
    """Holds a place while an answer comes; frees it when the upstream's connection is closed."""

    def __init__(  # noqa: PLR0913  plain limits, all by keyword
        self,
        info: ProviderInfo,
        endpoints: Sequence[Endpoint],
        *,
        max_queued: int,
        queue_timeout_s: float,
        patience: Patience,
        is_loaded: Callable[[Endpoint, str], bool],
        advice: str,
        clock: Clock,
        chance: random.Random,
        reporter: Reporter,
    ) -> None:
        """Let chats through to `endpoints`.

        Args:
            info: The provider.
            endpoints: Where it is reached, at least one.
            max_queued: How many chats may wait for one model.
            queue_timeout_s: Longest wait while another provider could answer.
            patience: Gives the budget anew after a wait.
            is_loaded: Whether an endpoint has a model in memory: those are preferred.
            advice: For the log when chats wait for the first time.
            clock: Monotonic seconds.
            chance: Chooses among equals.
            reporter: Told when chats wait for the first time.
        """
        self._info = info
        self._endpoints = tuple(endpoints)
        self._max_queued = max_queued
        self._queue_timeout_s = queue_timeout_s
        self._patience = patience
        self._is_loaded = is_loaded
        self._advice = advice
        self._clock = clock
        self._chance = chance
        self._reporter = reporter
        self._queues: dict[str, _Queue] = {}
        self._has_queued = False
        self._closed = False
        for endpoint in self._endpoints:
            endpoint.tell_turns(self.changed)

    @property
    def info(self) -> ProviderInfo:
        """The guarded provider."""
        return self._info

    @property
    def in_flight(self) -> int:
        """How many chats the provider runs for us now."""
        return sum(endpoint.in_flight for endpoint in self._endpoints)

    def close(self) -> None:
        """Send everybody who waits away: the server drains. Running answers go on."""
        self._closed = True
        for queue in self._queues.values():
            queue.line.refuse(ShuttingDown)

    def refusal(self, model: str, *, sole: bool) -> ProviderError | None:
        """Return why no call for `model` may go to any endpoint now; None if one may.

        Busy endpoints refuse nothing: their queue takes the call.
        """
        refusals: list[ProviderError] = []
        for endpoint in self._endpoints:
            if endpoint.knows(model):
                refusal = endpoint.refusal(model, sole=sole)
                if refusal is None:
                    return None
                refusals.append(refusal)
        if not refusals:
            return ProviderUnreachable(called=False, phase="connect")
        return min(refusals, key=lambda error: error.retry_after_s or float("inf"))

    def wait_s(self, model: str) -> float:
        """Return how long a newcomer would wait for a place, in seconds, by what is usual."""
        queue = self._queues.get(model)
        return 0.0 if queue is None else queue.wait_s()

    def changed(self) -> None:
        """Look again who of those that wait may go, or may not: an endpoint came or went."""
        waiting = [(model, queue) for model, queue in self._queues.items() if queue.line.waiting]
        if not waiting:
            return
        # Models share an endpoint's places: who was served last comes last.
        for model, queue in sorted(waiting, key=lambda one: one[1].served_s):
            queue.line.wake()
            if queue.line.waiting and (refusal := self.refusal(model, sole=False)) is not None:
                queue.line.refuse(partial(refusal.unsent, refusal.retry_after_s))

    async def stream_chat(self, request: ChatRequest, budget: Budget) -> ChatEvents:
        """Wait for a place, then pass the answer on.

        Raises:
            ProviderError: No endpoint may be called, or as the called one.
            QueueFull: No place came free in time.
            ShuttingDown: The server drains, and there was no place.
        """
        model = request.model
        queue = self._queue(model)
        queued_s: float | None = None
        place = None if queue.line.waiting else self._reserve(model, sole=budget.sole)
        if place is None:
            self._check(model, budget)
            self._tell_first_wait(model)
            yield Waiting(Phase.QUEUED)
            came_s = self._clock()
            place = await self._waited(model, budget)
            queued_s = self._clock() - came_s
            budget = self._patience.again(budget, request)
            queue = self._queue(model)
        queue.running += 1
        queue.served_s = began_s = self._clock()
        try:
            stream = place.endpoint.stream_chat(place, request, budget)
            async with aclosing(stream) as events:
                async for event in events:
                    if isinstance(event, Done):
                        event.timings.queue_s = queued_s
                        queue.answers_s.append(self._clock() - began_s)
                    yield event
        finally:
            queue.running -= 1
            self._give_back(place)

    def _check(self, model: str, budget: Budget) -> None:
        refusal = self.refusal(model, sole=budget.sole)
        if refusal is not None:
            raise refusal

    async def _waited(self, model: str, budget: Budget) -> Place:
        """Wait for a place; much may have changed while the caller took note of the wait."""
        if self._closed:
            raise ShuttingDown
        self._check(model, budget)
        queue = self._queue(model)
        return await queue.line.wait(
            self._patience_s(queue, budget), retry_after_s=queue.retry_after_s()
        )

    def _queue(self, model: str) -> _Queue:
        queue = self._queues.get(model)
        if queue is None:
            if len(self._queues) >= REMEMBERED_MODELS:
                self._queues = {name: one for name, one in self._queues.items() if not one.idle}
            line = Line(
                most=self._max_queued,
                take=lambda: self._reserve(model, sole=False),
                give_back=self._give_back,
            )
            queue = self._queues[model] = _Queue(line)
        return queue

    def _reserve(self, model: str, *, sole: bool) -> Place | None:
        """Take a place where the model is in memory, without trouble of late, least busy.

        A place elsewhere is not taken because the better endpoints are full: a cold one would
        load, and one that fails at once would be given everything.
        """
        if len(self._endpoints) == 1:
            (only,) = self._endpoints
            return only.reserve(model, sole=sole) if only.knows(model) else None
        best = self._well_and_loaded(model, sole=sole)
        free = [endpoint for endpoint in best if endpoint.has_place(model)]
        if not free:
            return None
        least = min(endpoint.load for endpoint in free)
        equals = [endpoint for endpoint in free if endpoint.load == least]
        chosen = equals[0] if len(equals) == 1 else self._chance.choice(equals)
        return chosen.reserve(model, sole=sole)

    def _well_and_loaded(self, model: str, *, sole: bool) -> list[Endpoint]:
        usable = [
            endpoint
            for endpoint in self._endpoints
            if endpoint.knows(model) and endpoint.refusal(model, sole=sole) is None
        ]
        if len(usable) <= 1:
            return usable
        loaded = [endpoint for endpoint in usable if self._is_loaded(endpoint, model)] or usable
        return [endpoint for endpoint in loaded if not endpoint.troubled] or loaded

    def _give_back(self, place: Place) -> None:
        place.give_back()
        self.changed()

    def _patience_s(self, queue: _Queue, budget: Budget) -> float:
        left_s = budget.finish_by.remaining_s()
        if budget.fallback_follows:
            return min(self._queue_timeout_s, left_s / 4)
        usual_s = statistics.median(queue.answers_s) if queue.answers_s else 0.0
        return left_s - max(LEAST_ANSWER_S, usual_s)

    def _tell_first_wait(self, model: str) -> None:
        if self._has_queued:
            return
        self._has_queued = True
        self._reporter.changed(
            Transition(
                subject=Subject.QUEUE,
                name=f"{self.info.name}/{model}",
                state=TransitionState.QUEUEING,
                detail=self._advice,
            )
        )
