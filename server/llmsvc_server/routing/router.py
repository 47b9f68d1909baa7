"""The only loop: candidates one after another until one delivers content."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.chat.deadline import Clock, Deadline
from llmsvc_server.chat.events import ChatEvent, ChatEvents, Phase, Started, Waiting
from llmsvc_server.chat.request import ChatRequest, Delivery
from llmsvc_server.chat.route import Locality, Route
from llmsvc_server.errors import (
    ErrorKind,
    InterruptCause,
    ModelNotFound,
    ProviderError,
    ProviderProtocolError,
    StreamInterrupted,
)
from llmsvc_server.routing.commit import commits, rest_of_answer
from llmsvc_server.routing.course import Course, Step
from llmsvc_server.routing.plan import Targets
from llmsvc_server.routing.plans import Plans


class FailoverRouter:
    """Asks the configured targets in order. The commit point is the first content."""

    def __init__(
        self,
        targets: Targets,
        inventory: Inventory,
        *,
        remote_when_busy: bool,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        """Route over `targets` by what `inventory` knows of them.

        Args:
            targets: What is configured.
            inventory: Snapshots of what each has.
            remote_when_busy: Whether remote targets help where local ones are merely busy.
            clock: Monotonic seconds.
            chance: Spreads pauses.
        """
        self._plans = Plans(targets, inventory)
        self._inventory = inventory
        self._remote_when_busy = remote_when_busy
        self._clock = clock
        self._chance = chance

    async def stream_chat(self, request: ChatRequest, finish_by: Deadline) -> ChatEvents:
        """Answer one request: `Started` with the first content, then the rest, then `Done`.

        `Waiting` comes before that, as often as there is something new to wait for.

        Args:
            request: What to run; `model` as the caller named it, or empty.
            finish_by: When the answer must be complete.

        Raises:
            ProviderNotFound: The request names a provider that is not configured.
            ProviderError: The only candidate, or the one that ends the chain, failed.
            AllProvidersFailed: Several were asked, and all failed.
            StreamInterrupted: The answering provider failed after content was delivered.
        """
        await self._inventory.first_look()
        course = Course(
            self._plans.plan(request),
            request,
            finish_by,
            remote_when_busy=self._remote_when_busy,
            chance=self._chance,
        )
        try:
            while (step := course.next()) is not None:
                attempt = _Attempt(step, course, request.delivery, self._clock, self._learn)
                asked = request.for_model(
                    step.candidate.model,
                    stays_local=step.candidate.info.locality is Locality.LOCAL,
                )
                stream = step.candidate.provider.stream_chat(asked, step.budget)
                async with aclosing(stream) as events:
                    async with aclosing(attempt.until_commit(events)) as waits:
                        async for waiting in waits:
                            yield waiting
                    if attempt.has_failed:
                        continue
                    yield attempt.started()
                    for first in attempt.held:
                        yield first
                    try:
                        async for event in events:
                            yield event
                    except ProviderError as error:
                        raise attempt.interrupted(error) from error
                    return
            raise course.failure()
        finally:
            course.settle()

    def _learn(self, error: ProviderError) -> None:
        if isinstance(error, ModelNotFound) and error.provider is not None:
            self._inventory.forget(error.provider.name, error.endpoint, error.model)


class _Attempt:
    """One attempt up to its commit point.

    Attributes:
        held: What is to be delivered first, once it is committed.
        has_failed: Whether it never will be.
    """

    def __init__(
        self,
        step: Step,
        course: Course,
        delivery: Delivery,
        clock: Clock,
        learn: Callable[[ProviderError], None],
    ) -> None:
        """Be about to make `step`; `learn` is told of a failure before what follows is decided."""
        self._learn = learn
        self._step = step
        self._course = course
        self._delivery = delivery
        self._clock = clock
        self._began_s = 0.0
        self._content_at_s = 0.0
        self._route: Route | None = None
        self.held: list[ChatEvent] = []
        self.has_failed = False

    async def until_commit(self, events: ChatEvents) -> AsyncGenerator[Waiting, None]:
        """Yield what is waited for, until there is content or the attempt has failed.

        Args:
            events: The attempt's, not begun; for a whole answer they are read to their end.
        """
        if self._step.pause_s:
            yield self._explained(Waiting(Phase.QUEUED))
            await asyncio.sleep(self._step.pause_s)
        self._began_s = self._clock()
        try:
            async for event in events:
                if isinstance(event, Waiting):
                    yield self._explained(event)
                elif commits(event):
                    self.held.append(event)
                    break
            if not self.held:
                raise ProviderProtocolError(phase="first_token")
            self._content_at_s = self._clock()
            if self._delivery is Delivery.WHOLE:
                await rest_of_answer(self.held, events)
        except ProviderError as error:
            self._failed(error)

    def started(self) -> Started:
        """Return the commit point."""
        self._route = self._course.route(self._step, self._clock() - self._began_s)
        return Started(self._route, self._content_at_s)

    def interrupted(self, error: ProviderError) -> StreamInterrupted:
        """Return what a failure after the commit point means, and let it count."""
        assert self._route is not None  # noqa: S101  `started` comes first
        if error.verdict is not None:
            error.verdict.count()
        violated = error.kind is ErrorKind.VIOLATION
        cause = InterruptCause.PRIVACY if violated else InterruptCause.PROVIDER
        return StreamInterrupted(cause, self._route, phase=error.phase or "stream")

    def _failed(self, error: ProviderError) -> None:
        candidate = self._step.candidate
        error.provider, error.model = candidate.info, candidate.model
        if isinstance(error, ModelNotFound):
            error.pull_hint = candidate.pull_hint
        self.has_failed = True
        self._learn(error)
        self._course.failed(self._step, error)

    def _explained(self, waiting: Waiting) -> Waiting:
        """Return it with what only the router knows."""
        candidate = self._step.candidate
        waiting.target, waiting.model = candidate.info, candidate.model
        waiting.trail = self._course.trail()
        return waiting
