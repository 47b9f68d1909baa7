"""The only loop: candidates one after another until one delivers content."""

from collections.abc import Sequence
from contextlib import aclosing

from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.chat.deadline import Deadline
from llmsvc_server.chat.events import ChatEvents, Started
from llmsvc_server.chat.request import ChatRequest, Delivery
from llmsvc_server.chat.route import Route
from llmsvc_server.errors import (
    ErrorKind,
    InterruptCause,
    ModelNotFound,
    ProviderError,
    StreamInterrupted,
)
from llmsvc_server.routing.commit import rest_of_answer, until_content
from llmsvc_server.routing.course import Course
from llmsvc_server.routing.plan import Target, plan


class FailoverRouter:
    """Asks the configured targets in order. The commit point is the first content."""

    def __init__(self, targets: Sequence[Target], inventory: Inventory) -> None:
        """Route over `targets`, the primary first, by what `inventory` knows of them."""
        self._targets = tuple(targets)
        self._inventory = inventory

    async def stream_chat(self, request: ChatRequest, finish_by: Deadline) -> ChatEvents:
        """Answer one request: `Started` with the first content, then the rest, then `Done`.

        Args:
            request: What to run; `model` as the caller named it, or empty.
            finish_by: When the answer must be complete.

        Raises:
            ProviderError: The only candidate, or the one that ends the chain, failed.
            AllProvidersFailed: Several failed, for different reasons.
            StreamInterrupted: The answering provider failed after content was delivered.
        """
        await self._inventory.first_look()
        course = Course(plan(request.model, self._targets, self._inventory), finish_by)
        while (step := course.next()) is not None:
            provider, model = step.candidate.provider, step.candidate.model
            attempt = request.for_model(model)
            async with aclosing(provider.stream_chat(attempt, step.budget)) as events:
                try:
                    held = await until_content(events)
                    if request.delivery is Delivery.WHOLE:
                        await rest_of_answer(held, events)
                except ProviderError as error:
                    error.provider, error.model = provider.info, model
                    if isinstance(error, ModelNotFound):
                        error.pull_hint = step.candidate.pull_hint
                        self._inventory.forget(provider.info.name, model)
                    course.failed(error)
                    continue
                route = Route(provider=provider.info, model=model, requested_model=request.model)
                yield Started(route)
                for first in held:
                    yield first
                try:
                    async for event in events:
                        yield event
                except ProviderError as error:
                    raise _interrupted(error, route) from error
                return
        raise course.failure()


def _interrupted(error: ProviderError, route: Route) -> StreamInterrupted:
    violated = error.kind is ErrorKind.VIOLATION
    cause = InterruptCause.PRIVACY if violated else InterruptCause.PROVIDER
    return StreamInterrupted(cause, route, phase=error.phase or "stream")
