"""An upstream over scripted adapters, on a clock that stands still; waits run on the loop's."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

from llmsvc_server.app.tasks import Background
from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.events import AnswerEvents, Delta, Done
from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.chat.request import Delivery
from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind
from llmsvc_server.errors import LlmsvcError, ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import BreakerState as State
from llmsvc_server.reports import LoadState
from llmsvc_server.upstreams.breaker import STREAK, CircuitBreaker
from llmsvc_server.upstreams.endpoint import Endpoint
from llmsvc_server.upstreams.loads import Loads
from llmsvc_server.upstreams.settings import Site
from llmsvc_server.upstreams.upstream import Upstream
from llmsvc_server.upstreams.verdicts import Verdicts
from tests.fakes.listening_reporter import ListeningReporter
from tests.fakes.manual_clock import ManualClock
from tests.fakes.requests import chat_request, limits_of
from tests.fakes.scripted_provider import LOCAL_OLLAMA, ScriptedProvider
from tests.fakes.upstreams import MODEL, FakeFacts, settings, surroundings
from tests.unit.server.upstreams.warming import Warming

CLOUD = ProviderInfo(name="openai", kind=ProviderKind.OPENAI, locality=Locality.REMOTE)


def silent() -> ProviderError:
    """Return what ends an attempt without a byte."""
    return ProviderError(ErrorKind.SILENT, row="C05", phase="first_token")


def unreachable() -> ProviderError:
    """Return a refused connection."""
    return ProviderError(ErrorKind.CONNECT, called=False, phase="connect")


class _Adapter(ScriptedProvider):
    """A scripted provider that loads as `warming` says."""

    def __init__(self, info: ProviderInfo, warming: Warming) -> None:
        super().__init__(info=info)
        self.warm = warming.warm
        self.unload = warming.unload


class Bench:
    """One upstream with all that it asks and reports.

    Attributes:
        clock: Of its breakers and blocks, of its queue and of receipts.
        adapters: The scripted provider behind each endpoint; `adapter` is the first.
        facts: What is known of each endpoint: up, with one model in memory.
        warming: What loads there.
        upstream: The upstream.
    """

    def __init__(
        self,
        *,
        endpoints: int = 1,
        info: ProviderInfo = LOCAL_OLLAMA,
        tasks: Background | None = None,
        **choices: Any,  # noqa: ANN401  of `settings`
    ) -> None:
        """Be up, with one model in memory everywhere. Loads need `tasks`."""
        self.clock = ManualClock()
        self.reporter = ListeningReporter()
        self.facts = [FakeFacts() for _ in range(endpoints)]
        self.warming = [Warming() for _ in range(endpoints)]
        self.adapters = [_Adapter(info, one) for one in self.warming]
        names = ["ollama"] if endpoints == 1 else [f"ollama#{n + 1}" for n in range(endpoints)]
        self.upstream = Upstream(
            info,
            map(Site, names, self.adapters, self.facts),
            settings(loads_models=tasks is not None, **choices),
            surroundings(self.clock, self.reporter, tasks=tasks),
        )

    @property
    def adapter(self) -> ScriptedProvider:
        """The first endpoint's."""
        return self.adapters[0]

    @property
    def endpoint(self) -> Endpoint:
        """The first."""
        return self.upstream.endpoints[0]

    @property
    def loads(self) -> Loads:
        """Of the first endpoint."""
        return self.endpoint.loads

    @property
    def connecting(self) -> CircuitBreaker:
        """The breaker of connections of the first endpoint."""
        return self.endpoint.breaker_of("")

    @property
    def answering(self) -> CircuitBreaker:
        """The breaker of the model there."""
        return self.endpoint.breaker_of(MODEL)

    @property
    def calls(self) -> Sequence[int]:
        """How many calls each endpoint's adapter got."""
        return [len(adapter.calls) for adapter in self.adapters]

    @property
    def asked(self) -> Sequence[int]:
        """How many loads each endpoint was asked for."""
        return [len(one.asked) for one in self.warming]

    @property
    def turned(self) -> list[tuple[str, str, str]]:
        """What was reported of breakers: name, state, cause."""
        return self._reported(State)

    @property
    def loaded(self) -> list[tuple[str, str, str]]:
        """What was reported of loads: name, state, detail."""
        return self._reported(LoadState)

    def _reported(self, kind: type[State] | type[LoadState]) -> list[tuple[str, str, str]]:
        return [
            (one.name, one.state, one.detail)
            for one in self.reporter.changes
            if isinstance(one.state, kind)
        ]

    def receipt(self) -> Receipt:
        """Return one whose attempt begins now."""
        receipt = Receipt(self.clock)
        receipt.begin(self.upstream.info, MODEL)
        return receipt

    def refusal(self, model: str = MODEL, *, only_candidate: bool = False) -> ProviderError | None:
        """Return why no call may go now."""
        return self.upstream.refusal(model, only_candidate=only_candidate)

    def waiting(self, model: str = MODEL) -> int:
        """Return how many wait for a place, as the upstream says itself."""
        found = re.search(rf" {re.escape(model)} (\d+) wait", repr(self.upstream))
        return int(found[1]) if found else 0

    def run(  # noqa: PLR0913  what tests vary, all by keyword
        self,
        model: str = MODEL,
        limits: AttemptLimits | None = None,
        *,
        caller: str = "",
        delivery: Delivery = Delivery.STREAM,
        receipt: Receipt | None = None,
        verdicts: Verdicts | None = None,
    ) -> AnswerEvents:
        """Start one attempt."""
        return self.upstream.run(
            chat_request(model=model, caller=caller, delivery=delivery),
            limits or limits_of(),
            receipt or self.receipt(),
            {} if verdicts is None else verdicts,
        )

    async def read(
        self,
        model: str = MODEL,
        limits: AttemptLimits | None = None,
        *,
        caller: str = "",
        receipt: Receipt | None = None,
        verdicts: Verdicts | None = None,
    ) -> list[Delta | Done]:
        """Run one attempt to its end."""
        stream = self.run(model, limits, caller=caller, receipt=receipt, verdicts=verdicts)
        async with aclosing(stream) as events:
            return [event async for event in events]

    async def outcome(
        self, model: str = MODEL, limits: AttemptLimits | None = None, *, caller: str = ""
    ) -> ErrorKind | str:
        """Run one chat as the router does; return "answer", or what kind of failure it is.

        What it says of the upstream counts at once. Failures that are no provider's go by their
        names.
        """
        verdicts: Verdicts = {}
        try:
            await self.read(model, limits, caller=caller, verdicts=verdicts)
        except ProviderError as error:
            return error.kind
        except LlmsvcError as error:
            return type(error).__name__
        finally:
            self.upstream.count(verdicts)
        return "answer"

    async def failure(
        self,
        error: ProviderError | None = None,
        *,
        limits: AttemptLimits | None = None,
        verdicts: Verdicts | None = None,
    ) -> ProviderError:
        """Run one attempt that fails, with `error` if one is given; nothing counts yet."""
        if error is not None:
            self.adapter.will(error)
        try:
            await self.read(limits=limits, verdicts=verdicts)
        except ProviderError as told:
            return told
        raise AssertionError("it answered")

    async def count(self, error: ProviderError) -> ProviderError:
        """Run one chat that fails, and let it count."""
        verdicts: Verdicts = {}
        told = await self.failure(error, verdicts=verdicts)
        self.upstream.count(verdicts)
        return told

    async def trip(self, error: ProviderError | None = None) -> None:
        """Open a breaker with failures."""
        for _ in range(STREAK):
            await self.count(error or ProviderError(ErrorKind.TRANSIENT))
        assert State.OPEN in {self.connecting.state, self.answering.state}

    async def half_open(self) -> None:
        """Open the model's breaker, and let the open time pass."""
        await self.trip()
        self.clock.advance(10)
        assert State.HALF_OPEN is self.answering.state


@asynccontextmanager
async def background() -> AsyncIterator[Background]:
    """Give what runs loads; what runs still is given up at the end."""
    async with Background() as tasks:
        yield tasks
