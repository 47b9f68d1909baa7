"""The only loop: candidates one after another until one answers."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.chat.deadline import Deadline
from llmsvc_server.chat.events import AnswerEvents, Delta, Done, Phase, Pieces
from llmsvc_server.chat.features import NO_FEATURES
from llmsvc_server.chat.parts import AnswerParts, Part, Piece
from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import Attempt, Route
from llmsvc_server.errors import ProviderError, StreamInterrupted, let_go
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.conformance import Conformance, follow, hold, settle
from llmsvc_server.routing.held import HeldAnswers, Share
from llmsvc_server.routing.plan import Planner
from llmsvc_server.routing.schedule import Schedule
from llmsvc_server.routing.targets import Candidate, Targets
from llmsvc_server.upstreams.upstream import Upstream
from llmsvc_server.upstreams.verdicts import Verdicts

T = TypeVar("T")


@dataclass(slots=True)
class WholeAnswer:
    """An answer that is all here: its parts, its end, and who gave it."""

    parts: tuple[Part, ...] = field(repr=False)
    done: Done
    route: Route


@dataclass(slots=True)
class StreamedAnswer:
    """An answer that has begun.

    Attributes:
        route: Who gives it.
        first: Its first content, or the end of an empty one.
        rest: What follows, up to the end; nothing behind the end of an empty one.
    """

    route: Route
    first: Delta | Done = field(repr=False)
    rest: AnswerEvents


class FailoverRouter:
    """Asks the configured targets in order. The commit point is the first content."""

    def __init__(
        self,
        targets: Targets,
        inventory: Inventory,
        *,
        remote_when_busy: bool,
        held: HeldAnswers,
        rng: random.Random,
    ) -> None:
        """Route over `targets` by what `inventory` knows of them.

        Args:
            targets: What is configured.
            inventory: Snapshots of what each has.
            remote_when_busy: Whether remote targets help where local ones are merely busy.
            held: Counts what is held back for whole answers (docs/failover.md 3.2).
            rng: Spreads pauses.
        """
        self._planner = Planner(targets, inventory)
        self._inventory = inventory
        self._remote_when_busy = remote_when_busy
        self._held = held
        self._rng = rng

    async def answer(
        self, request: ChatRequest, finish_by: Deadline, receipt: Receipt
    ) -> WholeAnswer:
        """Return one whole answer. Up to its very end it may be somebody else's.

        Args:
            request: What to run; `model` as the caller named it, or empty.
            finish_by: When the answer must be complete.
            receipt: The call's. It says all along who is tried, and what is waited for.

        Raises:
            ProviderNotFound: The request names a provider that is not configured.
            ProviderError: The only candidate, or the one that ends the chain, failed.
            AllProvidersFailed: Several were asked, and all failed.
            Overloaded: All answers that are held take too much.
        """
        share, attempts = Share(self._held, request.caller), _Attempts(receipt, self._inventory)
        try:
            schedule = await self._schedule(request, finish_by, receipt)
            parts, done = await attempts.make(schedule, request, partial(take_all, share=share))
            return WholeAnswer(parts, done, receipt.commit())
        finally:
            share.clear()
            await attempts.aclose()

    @asynccontextmanager
    async def stream(
        self, request: ChatRequest, finish_by: Deadline, receipt: Receipt
    ) -> AsyncIterator[StreamedAnswer]:
        """Have an answer that has begun, while entered; it goes on to its end or is left.

        Args:
            request: As of `answer`.
            finish_by: The same.
            receipt: The same.

        Raises:
            LlmsvcError: Before it is entered; as `answer`.
            ProviderError: All was delivered, and the request does not allow such an answer.
            StreamInterrupted: Who answers failed after content was delivered.
        """
        attempts = _Attempts(receipt, self._inventory)
        try:
            schedule = await self._schedule(request, finish_by, receipt)
            take = take_first
            if request.features is not NO_FEATURES:
                take = partial(take_first, share=Share(self._held, request.caller))
            first, rest = await attempts.make(schedule, request, take)
            del schedule, request  # nobody else is asked
            route = receipt.commit()
            try:
                yield StreamedAnswer(route, first, rest)
            except ProviderError as error:
                cause = error.kind.rules.interrupts_as
                if cause is None:
                    raise replace(error, provider=route.provider, model=route.model) from None
                raise StreamInterrupted(cause, phase=error.phase or "stream") from error
            finally:
                await rest.aclose()
        finally:
            await attempts.aclose()

    async def _schedule(
        self, request: ChatRequest, finish_by: Deadline, receipt: Receipt
    ) -> Schedule:
        if not self._inventory.all_polled:
            await self._inventory.wait_for_first_poll()
        plan = self._planner.plan(request)
        receipt.open(request.model, plan.privacy)
        return Schedule(
            plan, request, finish_by, remote_when_busy=self._remote_when_busy, rng=self._rng
        )


class _Attempts:
    """One call's, until one of them answers, and that one until it is closed."""

    __slots__ = ("_events", "_inventory", "_receipt", "_upstream", "_verdicts")

    def __init__(self, receipt: Receipt, inventory: Inventory) -> None:
        self._receipt = receipt
        self._inventory = inventory
        self._upstream: Upstream | None = None
        self._verdicts: Verdicts = {}
        self._events: AnswerEvents | None = None

    async def make(
        self,
        schedule: Schedule,
        request: ChatRequest,
        take: Callable[[AnswerEvents, Conformance | None], Awaitable[T]],
    ) -> T:
        """Return what `take` has of the first attempt of which it has it without a failure."""
        receipt = self._receipt
        while (step := schedule.next()) is not None:
            if isinstance(step, ProviderError):
                receipt.add(_to_attempt(step))
                continue
            candidate = step.candidate
            self._upstream, self._verdicts = candidate.upstream, {}
            while step is not None:
                asked, conformance = _ask(request, step.candidate)
                if step.pause_s:
                    receipt.begin(candidate.info, candidate.model, Phase.QUEUED)
                    await asyncio.sleep(step.pause_s)
                receipt.begin(candidate.info, candidate.model)
                self._events = self._upstream.run(asked, step.limits, receipt, self._verdicts)
                if conformance is not None:
                    self._events = conformance.read(self._events)
                try:
                    return await take(self._events, conformance)
                except ProviderError as error:
                    failure = _complete(error, candidate)
                    let_go(error)
                ran_s = receipt.ran_s
                receipt.add(_to_attempt(failure, receipt.elapsed_s))
                self._learn(failure)
                step = schedule.fail(step, failure, ran_s=ran_s)
            self._upstream.count(self._verdicts)
        raise schedule.failure()

    async def aclose(self) -> None:
        """End the last one, and let what it said of its upstream count."""
        try:
            if self._events is not None:
                await self._events.aclose()
        finally:
            if self._upstream is not None:
                self._upstream.count(self._verdicts)

    def _learn(self, error: ProviderError) -> None:
        if error.kind is ErrorKind.MODEL_MISSING and error.provider is not None:
            self._inventory.forget(error.provider.name, error.endpoint, error.model)


def _ask(request: ChatRequest, candidate: Candidate) -> tuple[ChatRequest, Conformance | None]:
    """Return what a candidate is asked, and what its answer is held to; None for nothing."""
    asked = request.for_model(candidate.model, stays_local=candidate.is_local)
    return (asked, None) if request.features is NO_FEATURES else hold(asked, candidate)


async def take_first(
    events: AnswerEvents, conformance: Conformance | None = None, share: Share | None = None
) -> tuple[Delta | Done, AnswerEvents]:
    """Return the first content, which commits a stream, and what follows it.

    Of an empty answer that is its end.

    Args:
        events: Of one attempt.
        conformance: What the answer is held to; None for nothing.
        share: Counts what has to be gathered for that.

    Raises:
        ProviderError: The attempt failed, or ended without an end or with one that is not allowed.
    """
    event = await anext(events, None)
    if event is None:
        raise ProviderError(ErrorKind.PROTOCOL, phase="first_token")
    if conformance is None or share is None:
        return event, events
    if isinstance(event, Done):
        return await settle(events, conformance, (), event), events
    return event, follow(event, events, conformance, share)


async def take_all(
    events: AnswerEvents, conformance: Conformance | None = None, *, share: Share
) -> tuple[tuple[Part, ...], Done]:
    """Return all parts of an answer, and its end, which commits a call that wants them whole.

    Args:
        events: Of one attempt.
        conformance: What the answer is held to; None for nothing.
        share: Counts what is gathered; what an attempt before has left there is let go.

    Raises:
        ProviderError: The attempt failed before its end, or its answer has none, or none in sight,
            or is not allowed.
        Overloaded: All answers that are held take too much.
    """
    if share.bytes:
        share.clear()
    parts, done = AnswerParts(), None
    add: Callable[[str], object] = parts.add_text
    async for event in events:
        if isinstance(event, Done):
            done = event
            if conformance is not None:
                done = await settle(events, conformance, parts.fold(), event)
            continue
        share.add(event.text)
        if isinstance(event, Pieces):
            _add_all(parts, event.pieces)
            add = parts.add
        else:
            add(event.text)
        if share.bytes > share.max_bytes:
            # As if it came from there, so that who runs the attempt sees it too.
            await events.athrow(ProviderError(ErrorKind.PROTOCOL, phase="stream"))
    if done is None:
        raise ProviderError(ErrorKind.PROTOCOL, phase="stream" if share.bytes else "first_token")
    return parts.fold(), done


def _add_all(parts: AnswerParts, pieces: Iterable[Piece]) -> None:
    for piece in pieces:
        parts.add(piece)


def _complete(error: ProviderError, candidate: Candidate) -> ProviderError:
    """Return why an attempt failed before its commit point, with what only the router knows."""
    is_missing = error.kind is ErrorKind.MODEL_MISSING
    return replace(
        error,
        provider=candidate.info,
        model=candidate.model,
        pull_hint=candidate.pull_hint if is_missing else "",
    )


def _to_attempt(error: ProviderError, elapsed_s: float | None = None) -> Attempt:
    """Return a failure, or a skip, as the call's receipt has it."""
    assert error.provider is not None  # noqa: S101  the plan, the schedule and `_complete` fill it in
    rules = error.kind.rules
    return Attempt(
        provider=error.provider,
        model=error.model,
        code=rules.code,
        reason=rules.reason,
        elapsed_s=elapsed_s if error.requests else None,
        content_sent=error.called,
    )
