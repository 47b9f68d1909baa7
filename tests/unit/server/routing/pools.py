"""Pools over scripted endpoints, on a clock that stands still; waits run on the loop's."""

from collections.abc import Callable, Sequence
from contextlib import aclosing

from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.events import ChatEvent
from llmsvc_server.chat.route import ProviderInfo
from llmsvc_server.errors import LlmsvcError, ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.base import ChatProvider
from llmsvc_server.routing.blocks import Blocks
from llmsvc_server.routing.budget import Patience
from llmsvc_server.routing.endpoint import Endpoint
from llmsvc_server.routing.pace import Pace
from llmsvc_server.routing.pooled import Pooled
from tests.fakes.chances import STEADY
from tests.fakes.listening_reporter import ListeningReporter
from tests.fakes.manual_clock import ManualClock
from tests.fakes.requests import chat_request, limits_of
from tests.fakes.scripted_provider import LOCAL_OLLAMA
from tests.unit.server.routing.endpoints import MODEL, Bench

ADVICE = "raise it"


class PoolBench:
    """A pool of one or two endpoints with all that it asks and tells.

    Attributes:
        clock: Of its breakers and blocks.
        one: The first endpoint.
        other: The second; the first again where there is only one.
        unloaded: Endpoints that do not have a model in memory: pairs of both.
        in_memory: Says whether an endpoint has a model in memory; by `unloaded` at first.
        pool: The pool.
    """

    def __init__(  # noqa: PLR0913  what tests vary, all by keyword
        self,
        *,
        endpoints: int = 1,
        places: int = 1,
        places_per_model: int | None = None,
        max_queued: int = 64,
        queue_timeout_s: float = 10,
        info: ProviderInfo = LOCAL_OLLAMA,
    ) -> None:
        """Be up, with one model in memory everywhere."""
        self.clock = ManualClock()
        self.reporter = ListeningReporter()
        blocks = Blocks(clock=self.clock, changed=lambda _error, _state: None)
        names = ["ollama"] if endpoints == 1 else [f"ollama#{n + 1}" for n in range(endpoints)]
        self.benches = [
            Bench(
                name=name,
                info=info,
                places=places,
                places_per_model=places_per_model or places,
                clock=self.clock,
                blocks=blocks,
            )
            for name in names
        ]
        self.one, self.other = self.benches[0], self.benches[-1]
        self.unloaded: set[tuple[str, str]] = set()
        self.in_memory: Callable[[Endpoint, str], bool] = self._is_loaded
        self.patience = Patience(
            first_token_s=7,
            cold_s=70,
            is_loaded=lambda _model: True,
            pace=Pace(least_s=1),
            reads_prompts=False,
        )
        self.pool = Pooled(
            info,
            [bench.endpoint for bench in self.benches],
            max_queued=max_queued,
            queue_timeout_s=queue_timeout_s,
            patience=self.patience,
            is_loaded=lambda *asked: self.in_memory(*asked),  # noqa: PLW0108  tests replace it
            advice=ADVICE,
            clock=self.clock,
            chance=STEADY,
            reporter=self.reporter,
        )

    @property
    def calls(self) -> Sequence[int]:
        """How many calls each endpoint's provider got."""
        return [len(bench.inner.calls) for bench in self.benches]

    def waiting(self, model: str = MODEL) -> int:
        """Return how many wait for a place."""
        queue = self.pool._queues.get(model)  # noqa: SLF001  nothing else shows it
        return 0 if queue is None else queue.line.waiting

    def _is_loaded(self, endpoint: Endpoint, model: str) -> bool:
        return (endpoint.name, model) not in self.unloaded


async def read(
    provider: ChatProvider,
    model: str = MODEL,
    limits: AttemptLimits | None = None,
    caller: str = "",
) -> list[ChatEvent]:
    """Run one chat to its end."""
    request = chat_request(model=model, caller=caller)
    async with aclosing(provider.stream_chat(request, limits or limits_of())) as events:
        return [event async for event in events]


async def outcome(
    provider: ChatProvider,
    model: str = MODEL,
    limits: AttemptLimits | None = None,
    caller: str = "",
) -> ErrorKind | str:
    """Run one chat as the router does; return "answer", or what kind of failure it is.

    What it says of an upstream counts at once. Failures that are no provider's go by their names.
    """
    try:
        await read(provider, model, limits, caller)
    except ProviderError as error:
        if error.verdict is not None:
            error.verdict.count()
        return error.kind
    except LlmsvcError as error:
        return type(error).__name__
    return "answer"
