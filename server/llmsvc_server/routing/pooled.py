"""Wrapper: so many chats at a time per model over all endpoints, while the others wait their turn.

Upstream the same queue would be unbounded, and nobody would see it.
"""

import random
import statistics
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial

from llmsvc_server.chat.deadline import AttemptLimits, Clock
from llmsvc_server.chat.events import ChatEvents, Done, Phase, Waiting
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import ProviderInfo
from llmsvc_server.errors import ProviderError, ShuttingDown
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import QueueState, Reporter, Transition
from llmsvc_server.routing.budget import Patience
from llmsvc_server.routing.endpoint import Endpoint
from llmsvc_server.routing.line import Line
from llmsvc_server.routing.place import Place
from llmsvc_server.routing.turns import Turns

REMEMBERED_MODELS = 256
REMEMBERED_ANSWERS = 32
LEAST_ANSWER_S = 1.0
RETRY_AFTER_S = (1.0, 30.0)


class _Seat:
    """A caller's place at an endpoint, as long as it is held: until its answer has come whole."""

    __slots__ = ("_is_left", "_leave", "caller", "place", "queue")

    def __init__(
        self, place: Place, queue: "_Queue", caller: str, leave: "Callable[[_Seat], None]"
    ) -> None:
        self.place = place
        self.queue = queue
        self.caller = caller
        self._leave = leave
        self._is_left = False

    def over(self) -> None:
        """Let others have it, whoever has yet to read what the upstream said."""
        if not self._is_left:
            self._is_left = True
            self._leave(self)


class _Queue:
    """One model's line, whose turn it is there, and how long its answers take."""

    def __init__(
        self,
        model: str,
        *,
        most: int,
        take: "Callable[[_Queue, str], _Seat | None]",
        give_back: Callable[[_Seat], None],
    ) -> None:
        self.model = model
        self.turns = Turns()
        self.line = Line(self.turns, most=most, take=partial(take, self), give_back=give_back)
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
    """Holds a place while an answer comes, until all of it is here or its connection is closed."""

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
            patience: Gives limits anew after a wait.
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
        self._turns = Turns()
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

    def refusal(self, model: str, *, only_candidate: bool) -> ProviderError | None:
        """Return why no call for `model` may go to any endpoint now; None if one may.

        Busy endpoints refuse nothing: their queue takes the call.
        """
        refusals: list[ProviderError] = []
        for endpoint in self._endpoints:
            if endpoint.knows(model):
                refusal = endpoint.refusal(model, only_candidate=only_candidate)
                if refusal is None:
                    return None
                refusals.append(refusal)
        if not refusals:
            return ProviderError(ErrorKind.CONNECT, called=False, phase="connect")
        return min(refusals, key=lambda error: error.retry_after_s or float("inf"))

    def wait_s(self, model: str) -> float:
        """Return how long a newcomer would wait for a place, in seconds, by what is usual."""
        queue = self._queues.get(model)
        return 0.0 if queue is None else queue.wait_s()

    def changed(self) -> None:
        """Look again who of those that wait may go, or may not: an endpoint came or went."""
        if not self._turns.callers_waiting:
            return
        while self._serve():
            pass
        for model, queue in self._queues.items():
            if (
                queue.line.waiting
                and (refusal := self.refusal(model, only_candidate=False)) is not None
            ):
                queue.line.refuse(partial(refusal.unsent, refusal.retry_after_s))

    async def stream_chat(self, request: ChatRequest, limits: AttemptLimits) -> ChatEvents:
        """Wait for a place, then pass the answer on.

        Raises:
            ProviderError: No endpoint may be called, or as the called one.
            ProviderError: QUEUE_FULL. No place came free in time.
            ShuttingDown: The server drains, and there was no place.
        """
        model = request.model
        queue = self._queue(model)
        queued_s: float | None = None
        seat = None
        if not queue.line.waiting:
            seat = self._take(queue, request.caller, only_candidate=limits.only_candidate)
        if seat is None:
            self._check(model, limits)
            self._tell_first_wait(model)
            yield Waiting(Phase.QUEUED)
            came_s = self._clock()
            seat = await self._waited(request, limits)
            queued_s = self._clock() - came_s
            limits = self._patience.again(limits, request)
            queue = seat.queue
        began_s = self._clock()
        done: Done | None = None
        try:
            limits = limits if seat.place.is_trial else limits.during(seat)
            stream = seat.place.endpoint.stream_chat(seat.place, request, limits)
            async with aclosing(stream) as events:
                async for event in events:
                    if isinstance(event, Done):
                        event.timings.queue_s = queued_s
                        queue.answers_s.append(self._clock() - began_s)
                        done = event
                    else:
                        yield event
        finally:
            self._give_back(seat)
        if done is not None:
            yield done  # whoever takes it holds nobody up

    def _check(self, model: str, limits: AttemptLimits) -> None:
        refusal = self.refusal(model, only_candidate=limits.only_candidate)
        if refusal is not None:
            raise refusal

    async def _waited(self, request: ChatRequest, limits: AttemptLimits) -> _Seat:
        """Wait for a place; much may have changed while the caller took note of the wait."""
        if self._closed:
            raise ShuttingDown
        self._check(request.model, limits)
        queue = self._queue(request.model)
        self._turns.wait(request.caller)
        try:
            return await queue.line.wait(
                request.caller,
                self._patience_s(queue, limits),
                retry_after_s=queue.retry_after_s(),
            )
        finally:
            self._turns.leave(request.caller)

    def _queue(self, model: str) -> _Queue:
        queue = self._queues.get(model)
        if queue is None:
            if len(self._queues) >= REMEMBERED_MODELS:
                self._queues = {name: one for name, one in self._queues.items() if not one.idle}
            queue = self._queues[model] = _Queue(
                model, most=self._max_queued, take=self._take, give_back=self._give_back
            )
        return queue

    def _serve(self) -> bool:
        """Hand out one place; return whether there was one for anybody who waits.

        One model's callers take their turns there. Where several models have room, it is places
        that they share which were short, and turns go round callers, however many models they name;
        of one caller's models the one that was served last comes last.
        """
        queues = [
            queue
            for queue in self._queues.values()
            if queue.line.waiting and self._with_room(queue.model, only_candidate=False)
        ]
        turns = queues[0].turns if len(queues) == 1 else self._turns
        waiting = [
            (turns.order(caller), queue.served_s, number, caller)
            for number, queue in enumerate(queues)
            for caller in queue.line.callers
        ]
        if not waiting:
            return False
        *_, number, caller = min(waiting)
        return queues[number].line.serve(caller)

    def _reserve(self, model: str, *, only_candidate: bool) -> Place | None:
        """Take a place where the model is in memory, without trouble of late, least busy.

        A place elsewhere is not taken because the better endpoints are full: a cold one would
        load, and one that fails at once would be given everything.
        """
        if len(self._endpoints) == 1:
            (only,) = self._endpoints
            return only.reserve(model, only_candidate=only_candidate) if only.knows(model) else None
        free = self._with_room(model, only_candidate=only_candidate)
        if not free:
            return None
        least = min(endpoint.load for endpoint in free)
        equals = [endpoint for endpoint in free if endpoint.load == least]
        chosen = equals[0] if len(equals) == 1 else self._chance.choice(equals)
        return chosen.reserve(model, only_candidate=only_candidate)

    def _with_room(self, model: str, *, only_candidate: bool) -> list[Endpoint]:
        best = self._well_and_loaded(model, only_candidate=only_candidate)
        return [endpoint for endpoint in best if endpoint.has_place(model)]

    def _well_and_loaded(self, model: str, *, only_candidate: bool) -> list[Endpoint]:
        usable = [
            endpoint
            for endpoint in self._endpoints
            if endpoint.knows(model)
            and endpoint.refusal(model, only_candidate=only_candidate) is None
        ]
        if len(usable) <= 1:
            return usable
        loaded = [endpoint for endpoint in usable if self._is_loaded(endpoint, model)] or usable
        return [endpoint for endpoint in loaded if not endpoint.troubled] or loaded

    def _take(self, queue: _Queue, caller: str, *, only_candidate: bool = False) -> _Seat | None:
        place = self._reserve(queue.model, only_candidate=only_candidate)
        if place is None:
            return None
        queue.running += 1
        queue.served_s = self._clock()
        queue.turns.begin(caller)
        self._turns.begin(caller)
        return _Seat(place, queue, caller, self._left)

    def _give_back(self, seat: _Seat) -> None:
        seat.place.give_back()
        seat.over()

    def _left(self, seat: _Seat) -> None:
        seat.place.leave()
        seat.queue.running -= 1
        seat.queue.turns.end(seat.caller)
        self._turns.end(seat.caller)
        self.changed()

    def _patience_s(self, queue: _Queue, limits: AttemptLimits) -> float:
        left_s = limits.finish_by.remaining_s()
        if limits.fallback_follows:
            return min(self._queue_timeout_s, left_s / 4)
        usual_s = statistics.median(queue.answers_s) if queue.answers_s else 0.0
        return left_s - max(LEAST_ANSWER_S, usual_s)

    def _tell_first_wait(self, model: str) -> None:
        if self._has_queued:
            return
        self._has_queued = True
        self._reporter.changed(
            Transition(
                name=f"{self.info.name}/{model}",
                state=QueueState.QUEUEING,
                detail=self._advice,
            )
        )
