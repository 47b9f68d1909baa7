"""What an upstream is made of in tests: facts that change as polls would, choices, surroundings."""

import asyncio
import random

from typing_extensions import override

from llmsvc_server.app.tasks import Background
from llmsvc_server.catalog.facts import EndpointFacts
from llmsvc_server.chat.deadline import Clock
from llmsvc_server.reports import Reporter
from llmsvc_server.upstreams.loads import LOADS_AT_ONCE
from llmsvc_server.upstreams.settings import Surroundings, UpstreamSettings
from tests.fakes.chances import STEADY

MODEL = "m"


class FakeFacts(EndpointFacts):
    """An endpoint that is up, with one model in memory.

    Attributes:
        known: The models that it has; "" stands for the endpoint itself.
        in_memory: Whether what it has is there too.
        size: Of every model on disk.
        mark: What moves when work is done.
    """

    def __init__(self) -> None:
        """Be up."""
        self.known = {"", MODEL}
        self.in_memory = True
        self.size: int | None = None
        self.mark = ""

    @override
    def has(self, model: str) -> bool:
        return model in self.known

    @override
    def is_loaded(self, model: str) -> bool:
        return self.in_memory

    @override
    def size_bytes(self, model: str) -> int | None:
        return self.size

    @override
    def busy_until(self, model: str) -> str:
        return self.mark


ADVICE = "raise it"


def surroundings(
    clock: Clock,
    reporter: Reporter,
    *,
    tasks: Background | None = None,
    rng: random.Random = STEADY,
    at_once: asyncio.Semaphore | None = None,
) -> Surroundings:
    """Return what upstreams share, on one clock; without `tasks` nothing can be loaded."""
    return Surroundings(
        clock=clock,
        judged_by=clock,
        rng=rng,
        reporter=reporter,
        tasks=tasks or Background(),
        loads_at_once=at_once or asyncio.Semaphore(LOADS_AT_ONCE),
    )


def settings(  # noqa: PLR0913  what tests vary, all by keyword
    *,
    places: int = 8,
    places_per_model: int | None = None,
    max_queued: int = 64,
    queue_timeout_s: float = 10,
    first_token_s: float = 7,
    with_tools_s: float = 9,
    cold_s: float = 70,
    idle_s: float = 60,
    idle_with_features_s: float = 120,
    confirm_s: float = 5,
    loads_models: bool = True,
) -> UpstreamSettings:
    """Return an operator's choices; a model that is wedged is freed."""
    return UpstreamSettings(
        max_in_flight=places,
        max_in_flight_of_model=places_per_model or places,
        max_queued=max_queued,
        queue_timeout_s=queue_timeout_s,
        queue_advice=ADVICE,
        first_token_s=first_token_s,
        first_token_with_tools_s=with_tools_s,
        cold_s=cold_s,
        idle_s=idle_s,
        idle_with_features_s=idle_with_features_s,
        confirm_s=confirm_s,
        loads_models=loads_models,
        heals=True,
    )
