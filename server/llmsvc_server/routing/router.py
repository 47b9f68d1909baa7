"""The only loop: candidates one after another until one delivers content."""

import asyncio
import random
from contextlib import aclosing
from dataclasses import replace

from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.chat.deadline import Clock, Deadline
from llmsvc_server.chat.events import ChatEvent, ChatEvents, Phase, Started, Waiting
from llmsvc_server.chat.request import ChatRequest, Delivery
from llmsvc_server.chat.route import Locality, Route
from llmsvc_server.errors import ProviderError, StreamInterrupted
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.commit import commits, rest_of_answer
from llmsvc_server.routing.course import Course, Step
from llmsvc_server.routing.held import HeldAnswers, Share
from llmsvc_server.routing.plan import Targets
from llmsvc_server.routing.plans import Plans


class FailoverRouter:
    """Asks the configured targets in order. The commit point is the first content."""

    def __init__(  # noqa: PLR0913  plain parts, by keyword
        self,
        targets: Targets,
        inventory: Inventory,
        *,
        remote_when_busy: bool,
        held: HeldAnswers,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        """Route over `targets` by what `inventory` knows of them.

        Args:
            targets: What is configured.
            inventory: Snapshots of what each has.
            remote_when_busy: Whether remote targets help where local ones are merely busy.
            held: Counts what is held back for whole answers (docs/failover.md 3.2).
            clock: Monotonic seconds.
            chance: Spreads pauses.
        """
        self._plans = Plans(targets, inventory)
        self._inventory = inventory
        self._remote_when_busy = remote_when_busy
        self._held = held
        self._clock = clock
        self._chance = chance

    async def stream_chat(  # noqa: C901  split, it would be one generator more for every token
        self, request: ChatRequest, finish_by: Deadline
    ) -> ChatEvents:
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
            Overloaded: All answers that are held take too much.
        """
        await self._inventory.first_look()
        course = Course(
            self._plans.plan(request),
            request,
            finish_by,
            remote_when_busy=self._remote_when_busy,
            chance=self._chance,
        )
        share = Share(self._held, request.caller)
        try:
            while (step := course.next()) is not None:
                attempt = _Attempt(step, course, self._clock)
                if step.pause_s:
                    yield attempt.explained(Waiting(Phase.QUEUED))
                    await asyncio.sleep(step.pause_s)
                async with aclosing(attempt.begun(request)) as events:
                    try:
                        async for event in events:
                            if isinstance(event, Waiting):
                                yield attempt.explained(event)
                            elif commits(event):
                                attempt.held.append(event)
                                break
                        await attempt.commit(request.delivery, events, share)
                    except ProviderError as error:
                        failure = attempt.noted(error)
                        self._learn(failure)
                        course.failed(step, failure)
                        continue
                    yield attempt.started()
                    for event in attempt.held:
                        yield event
                    try:
                        async for event in events:
                            yield event
                    except ProviderError as error:
                        raise attempt.interrupted(error) from error
                    return
            raise course.failure()
        finally:
            course.settle()
            share.clear()

    def _learn(self, error: ProviderError) -> None:
        if error.kind is ErrorKind.MODEL_MISSING and error.provider is not None:
            self._inventory.forget(error.provider.name, error.endpoint, error.model)


class _Attempt:
    """One attempt: what is told of it before its commit point, there, and after it.

    Attributes:
        held: What is to be delivered first, once it is committed.
    """

    __slots__ = ("_began_s", "_clock", "_content_at_s", "_course", "_route", "_step", "held")

    def __init__(self, step: Step, course: Course, clock: Clock) -> None:
        """Be about to make `step` of `course`."""
        self._step = step
        self._course = course
        self._clock = clock
        self._began_s = 0.0
        self._content_at_s = 0.0
        self._route: Route | None = None
        self.held: list[ChatEvent] = []

    def begun(self, request: ChatRequest) -> ChatEvents:
        """Return what comes up."""
        candidate = self._step.candidate
        is_local = candidate.info.locality is Locality.LOCAL
        asked = request.for_model(candidate.model, stays_local=is_local)
        self._began_s = self._clock()
        return candidate.provider.stream_chat(asked, self._step.budget)

    async def commit(self, delivery: Delivery, events: ChatEvents, share: Share) -> None:
        """Note the first content; for a whole answer, hold the rest as well, in `share`.

        Raises:
            ProviderError: There was none, or the rest did not come.
        """
        if not self.held:
            raise ProviderError(ErrorKind.PROTOCOL, phase="first_token")
        self._content_at_s = self._clock()
        if delivery is Delivery.WHOLE:
            await rest_of_answer(self.held, events, share)

    def started(self) -> Started:
        """Return the commit point."""
        self._route = self._course.route(self._step, self._clock() - self._began_s)
        return Started(self._route, self._content_at_s)

    def noted(self, error: ProviderError) -> ProviderError:
        """Return why it failed before its commit point, with what only the router knows."""
        candidate = self._step.candidate
        is_missing = error.kind is ErrorKind.MODEL_MISSING
        return replace(
            error,
            provider=candidate.info,
            model=candidate.model,
            pull_hint=candidate.pull_hint if is_missing else "",
        )

    def explained(self, waiting: Waiting) -> Waiting:
        """Return it with what only the router knows."""
        candidate = self._step.candidate
        waiting.target, waiting.model = candidate.info, candidate.model
        waiting.trail = self._course.trail()
        return waiting

    def interrupted(self, error: ProviderError) -> StreamInterrupted:
        """Return what a failure after the commit point means, and let it count."""
        assert self._route is not None  # noqa: S101  `started` comes first
        if error.verdict is not None:
            error.verdict.count()
        cause = error.kind.rules.interrupts_as
        return StreamInterrupted(cause, self._route, phase=error.phase or "stream")
