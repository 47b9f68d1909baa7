"""A router over scripts, asked as the door asks it."""

import random
from dataclasses import dataclass, field

from llmsvc_server.chat.deadline import Deadline
from llmsvc_server.chat.events import Delta, Done
from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.chat.request import ChatRequest, Delivery
from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind, Route
from llmsvc_server.routing.held import HeldAnswers
from llmsvc_server.routing.router import FailoverRouter
from llmsvc_server.routing.targets import Target, Targets
from tests.fakes.assembled import everyday_held
from tests.fakes.chances import NO_PAUSE
from tests.fakes.receipts import a_receipt
from tests.fakes.requests import chat_request, in_s
from tests.fakes.scripted_provider import ScriptedProvider
from tests.fakes.scripted_upstream import ScriptedUpstream
from tests.fakes.watching import inventory_over

MOCK = ProviderInfo(name="mock", kind=ProviderKind.MOCK, locality=Locality.LOCAL)


@dataclass(slots=True)
class Given:
    """What a caller has of an answer by now.

    Attributes:
        route: Who gives it; None before it has begun.
        pieces: Its text.
        done: Its end; None before.
    """

    route: Route | None = None
    pieces: list[str] = field(default_factory=list)
    done: Done | None = None

    @property
    def who(self) -> tuple[str, str]:
        """The provider and the model that it says it is of."""
        assert self.route is not None
        return self.route.provider.name, self.route.model


async def ask(
    router: FailoverRouter,
    request: ChatRequest,
    finish_by: Deadline,
    receipt: Receipt,
    given: Given | None = None,
) -> Given:
    """Return the whole answer; `given` has what there is of it all along. Raises as the router."""
    given = given or Given()
    if request.delivery is Delivery.WHOLE:
        whole = await router.answer(request, finish_by, receipt)
        given.route, given.pieces, given.done = (
            whole.route,
            [one for one in whole.parts if isinstance(one, str)],
            whole.done,
        )
        return given
    async with router.stream(request, finish_by, receipt) as streamed:
        given.route, event = streamed.route, streamed.first
        while isinstance(event, Delta):
            given.pieces.append(event.text)
            event = await anext(streamed.rest)
        given.done = event
    return given


async def router_over(
    *providers: ScriptedProvider | ScriptedUpstream,
    rng: random.Random = NO_PAUSE,
    held: HeldAnswers | None = None,
) -> FailoverRouter:
    """Route over providers whose default models are "phi3:mini" and "mock"."""
    upstreams = [
        ScriptedUpstream(one) if isinstance(one, ScriptedProvider) else one for one in providers
    ]
    inventory = inventory_over({one.info.name: one.provider for one in upstreams})
    for one in upstreams:
        await inventory.refresh(one.info.name, one.info.name)
    defaults = {"ollama": "phi3:mini", "mock": "mock"}
    targets = [Target(upstream=one, default_model=defaults[one.info.name]) for one in upstreams]
    return FailoverRouter(
        Targets(sequence=targets),
        inventory,
        remote_when_busy=True,
        held=held or everyday_held(),
        rng=rng,
    )


def ollama(*steps: object) -> ScriptedProvider:
    """Return one that lists two models."""
    return ScriptedProvider(*steps, models=["phi3:mini", "llama3.2:latest"])  # type: ignore[arg-type]


def mock(*steps: object) -> ScriptedProvider:
    """Return one with a model of its own."""
    return ScriptedProvider(*steps, info=MOCK, models=["mock"])  # type: ignore[arg-type]


async def answer(
    router: FailoverRouter,
    *,
    model: str = "",
    delivery: Delivery = Delivery.STREAM,
    receipt: Receipt | None = None,
) -> Given:
    """Ask for one answer with a minute's time."""
    request = chat_request(model=model, delivery=delivery)
    return await ask(router, request, in_s(60), receipt or a_receipt())
