"""The only loop: candidates one after another until one delivers content."""

import asyncio
import random
from contextlib import aclosing
from dataclasses import replace

from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.chat.deadline import Deadline
from llmsvc_server.chat.events import ChatEvents, Phase, Started
from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.chat.request import ChatRequest, Delivery
from llmsvc_server.chat.route import Attempt, Locality
from llmsvc_server.errors import ProviderError, StreamInterrupted, let_go
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.commit import first_content, rest_of_answer
from llmsvc_server.routing.held import HeldAnswers, Share
from llmsvc_server.routing.plan import Candidate, Planner, Targets
from llmsvc_server.routing.schedule import Schedule, Step


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

    async def stream_chat(
        self, request: ChatRequest, finish_by: Deadline, receipt: Receipt
    ) -> ChatEvents:
        """Answer one request: `Started` with the first content, then the rest, then `Done`.

        Args:
            request: What to run; `model` as the caller named it, or empty.
            finish_by: When the answer must be complete.
            receipt: The call's. It says all along who is tried, and what is waited for.

        Raises:
            ProviderNotFound: The request names a provider that is not configured.
            ProviderError: The only candidate, or the one that ends the chain, failed.
            AllProvidersFailed: Several were asked, and all failed.
            StreamInterrupted: The answering provider failed after content was delivered.
            Overloaded: All answers that are held take too much.
        """
        await self._inventory.wait_for_first_poll()
        plan = self._planner.plan(request)
        receipt.open(request.model, plan.privacy)
        schedule = Schedule(
            plan,
            request,
            finish_by,
            remote_when_busy=self._remote_when_busy,
            rng=self._rng,
        )
        share = Share(self._held, request.caller)
        try:
            while (step := schedule.next()) is not None:
                if isinstance(step, ProviderError):
                    receipt.add(_to_attempt(step))
                    continue
                await _pause(step, receipt)
                async with aclosing(_begin(step, request, receipt)) as events:
                    try:
                        held = await first_content(events, receipt)
                        if request.delivery is Delivery.WHOLE:
                            await rest_of_answer(held, events, share)
                    except ProviderError as error:
                        failure = _complete(error, step.candidate)
                        let_go(error)
                        receipt.add(_to_attempt(failure))
                        self._learn(failure)
                        schedule.failed(step, failure)
                        continue
                    yield Started(receipt.commit())
                    for event in held:
                        yield event
                    try:
                        async for event in events:
                            yield event
                    except ProviderError as error:
                        raise _interrupt(error) from error
                    return
            raise schedule.failure()
        finally:
            schedule.count_verdicts()
            share.clear()

    def _learn(self, error: ProviderError) -> None:
        if error.kind is ErrorKind.MODEL_MISSING and error.provider is not None:
            self._inventory.forget(error.provider.name, error.endpoint, error.model)


async def _pause(step: Step, receipt: Receipt) -> None:
    if step.pause_s:
        receipt.begin(step.candidate.info, step.candidate.model, Phase.QUEUED)
        await asyncio.sleep(step.pause_s)


def _begin(step: Step, request: ChatRequest, receipt: Receipt) -> ChatEvents:
    """Return what comes of an attempt, which begins."""
    candidate = step.candidate
    is_local = candidate.info.locality is Locality.LOCAL
    asked = request.for_model(candidate.model, stays_local=is_local)
    receipt.begin(candidate.info, candidate.model)
    return candidate.provider.stream_chat(asked, step.limits)


def _complete(error: ProviderError, candidate: Candidate) -> ProviderError:
    """Return why an attempt failed before its commit point, with what only the router knows."""
    is_missing = error.kind is ErrorKind.MODEL_MISSING
    return replace(
        error,
        provider=candidate.info,
        model=candidate.model,
        pull_hint=candidate.pull_hint if is_missing else "",
    )


def _to_attempt(error: ProviderError) -> Attempt:
    """Return a failure, or a skip, as the call's receipt has it."""
    assert error.provider is not None  # noqa: S101  the plan, the schedule and `_complete` fill it in
    rules = error.kind.rules
    return Attempt(
        provider=error.provider,
        model=error.model,
        code=rules.code,
        reason=rules.reason,
        elapsed_s=error.elapsed_s if error.requests else None,
        content_sent=error.called,
    )


def _interrupt(error: ProviderError) -> StreamInterrupted:
    """Return what a failure after the commit point means, and let it count."""
    if error.verdict is not None:
        error.verdict.count()
    return StreamInterrupted(error.kind.rules.interrupts_as, phase=error.phase or "stream")
