"""Endpoints over scripted providers, on a clock that stands still."""

from contextlib import aclosing
from dataclasses import replace

from llmsvc_server.chat.deadline import Verdict
from llmsvc_server.chat.events import ChatEvent, ChatEvents
from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import BreakerState as State
from llmsvc_server.routing.blocks import Blocks
from llmsvc_server.routing.breaker import STREAK, CircuitBreaker
from llmsvc_server.routing.endpoint import Endpoint
from llmsvc_server.routing.place import Place
from tests.fakes.chances import STEADY
from tests.fakes.listening_reporter import ListeningReporter
from tests.fakes.manual_clock import ManualClock
from tests.fakes.requests import chat_request, limits_of
from tests.fakes.scripted_provider import LOCAL_OLLAMA, ScriptedProvider

MODEL = "m"
CLOUD = ProviderInfo(name="openai", kind=ProviderKind.OPENAI, locality=Locality.REMOTE)


def silent() -> ProviderError:
    """Return what ends an attempt without a byte."""
    return ProviderError(ErrorKind.SILENT, row="C05", phase="first_token")


def unreachable() -> ProviderError:
    """Return a refused connection."""
    return ProviderError(ErrorKind.CONNECT, called=False, phase="connect")


class Bench:
    """One endpoint with all that it asks and tells.

    Attributes:
        inner: The scripted provider behind it.
        clock: Its clock.
        known: The models that it is known to have; "" stands for the endpoint itself.
    """

    def __init__(  # noqa: PLR0913  what tests vary, all by keyword
        self,
        *,
        info: ProviderInfo = LOCAL_OLLAMA,
        name: str = "ollama",
        places: int = 8,
        places_per_model: int = 8,
        clock: ManualClock | None = None,
        blocks: Blocks | None = None,
    ) -> None:
        """Be up, with one model."""
        self.inner = ScriptedProvider(info=info)
        self.clock = clock or ManualClock()
        self.known = {"", MODEL}
        self.reporter = ListeningReporter()
        self.blocks = blocks or Blocks(clock=self.clock, changed=lambda _error, _state: None)
        self.endpoint = Endpoint(
            name,
            self.inner,
            places=places,
            places_per_model=places_per_model,
            knows=lambda model: model in self.known,
            blocks=self.blocks,
            clock=self.clock,
            chance=STEADY,
            reporter=self.reporter,
        )

    @property
    def connecting(self) -> CircuitBreaker:
        """The breaker of connections."""
        return self.endpoint.breakers(MODEL)[0]

    @property
    def answering(self) -> CircuitBreaker:
        """The breaker of the model."""
        return self.endpoint.breakers(MODEL)[1]

    @property
    def turns(self) -> list[tuple[str, str, str]]:
        """What was told of breakers: name, state, cause."""
        return [
            (one.name, one.state, one.detail)
            for one in self.reporter.changes
            if isinstance(one.state, State)
        ]

    def place(self, *, only_candidate: bool = False, model: str = MODEL) -> Place:
        """Return a place that there must be."""
        place = self.endpoint.reserve(model, only_candidate=only_candidate)
        assert place is not None
        return place

    def stream(
        self, place: Place, *, earlier: Verdict | None = None, is_full_length: bool = True
    ) -> ChatEvents:
        """Start a chat in `place`."""
        limits = replace(limits_of(), earlier=earlier, is_full_length=is_full_length)
        return self.endpoint.stream_chat(place, chat_request(model=MODEL), limits)

    async def answer(
        self, *, only_candidate: bool = False, earlier: Verdict | None = None
    ) -> list[ChatEvent]:
        """Run one chat to its end, as the pool does; return its events."""
        place = self.place(only_candidate=only_candidate)
        try:
            async with aclosing(self.stream(place, earlier=earlier)) as events:
                return [event async for event in events]
        finally:
            place.give_back()

    async def failure(
        self,
        error: ProviderError,
        *,
        earlier: Verdict | None = None,
        is_full_length: bool = True,
    ) -> ProviderError:
        """Run one chat that fails with `error`; return what is told, nothing counted yet."""
        self.inner.will(error)
        place = self.place()
        try:
            async with aclosing(
                self.stream(place, earlier=earlier, is_full_length=is_full_length)
            ) as events:
                async for _ in events:
                    pass
        except ProviderError as told:
            return told
        finally:
            place.give_back()
        raise AssertionError("it answered")

    async def count(self, error: ProviderError) -> ProviderError:
        """Run one chat that fails and let it count, as the router does at a call's end."""
        told = await self.failure(error)
        if told.verdict is not None:
            told.verdict.count()
        return told

    async def trip(self, kind: ErrorKind) -> None:
        """Open a breaker with failures of a class."""
        for _ in range(STREAK):
            await self.count(ProviderError(kind))
        assert State.OPEN in {self.connecting.state, self.answering.state}
