"""Wrapper: so many chats at a time per model, while the others wait in order.

Upstream the same queue would be unbounded, and nobody would see it.
"""

from contextlib import aclosing

from llmsvc_server.chat.deadline import Budget, Clock
from llmsvc_server.chat.events import ChatEvents
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import ProviderInfo
from llmsvc_server.providers.base import ChatProvider
from llmsvc_server.reports import Reporter, Subject, Transition
from llmsvc_server.routing.budget import Patience
from llmsvc_server.routing.line import Line

REMEMBERED_MODELS = 256


class Pooled:
    """Holds a slot while an answer comes; frees it when the upstream's connection is closed."""

    def __init__(  # noqa: PLR0913  plain limits, all by keyword
        self,
        inner: ChatProvider,
        *,
        slots_per_model: int,
        max_queued: int,
        queue_timeout_s: float,
        patience: Patience,
        clock: Clock,
        reporter: Reporter,
    ) -> None:
        """Let `slots_per_model` chats of one model through to `inner`, and `max_queued` wait."""
        self._inner = inner
        self._slots_per_model = slots_per_model
        self._max_queued = max_queued
        self._queue_timeout_s = queue_timeout_s
        self._patience = patience
        self._clock = clock
        self._reporter = reporter
        self._lines: dict[str, Line] = {}
        self._has_queued = False
        self._closed = False

    @property
    def info(self) -> ProviderInfo:
        """The guarded provider."""
        return self._inner.info

    @property
    def in_flight(self) -> int:
        """How many chats the provider runs for us now."""
        return sum(line.running for line in self._lines.values())

    def close(self) -> None:
        """Send everybody who waits away: the server drains. Running answers go on."""
        self._closed = True
        for line in self._lines.values():
            line.close()

    async def stream_chat(self, request: ChatRequest, budget: Budget) -> ChatEvents:
        """Wait for a slot, then pass the answer on.

        Raises:
            QueueFull: No slot came free in time.
            ShuttingDown: The server drains, and there was no slot.
            ProviderError: As the guarded provider.
        """
        line = self._line(request.model)
        if line.running >= self._slots_per_model and not self._has_queued:
            self._tell_first_wait(request.model)
        if await line.enter(budget, most_wait_s=self._queue_timeout_s):
            budget = self._patience.budget(
                request.model, budget.finish_by, fallback_follows=budget.fallback_follows
            )
        began_s, answered_in_s = self._clock(), None
        try:
            async with aclosing(self._inner.stream_chat(request, budget)) as events:
                async for event in events:
                    yield event
            answered_in_s = self._clock() - began_s
        finally:
            line.leave(answered_in_s)

    def _line(self, model: str) -> Line:
        line = self._lines.get(model)
        if line is None:
            if len(self._lines) >= REMEMBERED_MODELS:
                self._lines = {name: line for name, line in self._lines.items() if not line.idle}
            line = self._lines[model] = Line(
                slots=self._slots_per_model, max_queued=self._max_queued
            )
            if self._closed:
                line.close()
        return line

    def _tell_first_wait(self, model: str) -> None:
        self._has_queued = True
        self._reporter.changed(
            Transition(
                subject=Subject.QUEUE,
                name=f"{self.info.name}/{model}",
                state="queueing",
                detail=(
                    f"calls wait behind max_in_flight_per_model: {self._slots_per_model}; raise it"
                    " together with OLLAMA_NUM_PARALLEL if the machine can run more at once"
                ),
            )
        )
