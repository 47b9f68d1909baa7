"""A provider at our own seam that does what a test tells it, and remembers what it was asked."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.events import ChatEvent, ChatEvents, Delta, Done, Phase, SignOfLife
from llmsvc_server.chat.features import Capability
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind
from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.providers.abilities import Catalogue, ListedModel
from tests.fakes.gate import Gate

if TYPE_CHECKING:
    from types import AsyncGeneratorType


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing yet, and why: for `ScriptedUpstream`, which tells the receipt. No adapter says so."""

    phase: Phase


Step = Waiting | Delta | SignOfLife | Done | BaseException | Gate | Callable[[], None]
"""An event to yield, an exception to raise, a gate to wait at, or something to do."""

LOCAL_OLLAMA = ProviderInfo(name="ollama", kind=ProviderKind.OLLAMA, locality=Locality.LOCAL)


def done(
    finish_reason: FinishReason = FinishReason.STOP,
    *,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
) -> Done:
    """Return an ordinary end."""
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    return Done(finish_reason=finish_reason, usage=usage)


class Call:
    """One `stream_chat`: what was asked, and how far it came.

    Attributes:
        request: As it was given.
        limits: As it was given.
        begun: Whether anybody iterated.
        ended_by: The exception that ended it, GeneratorExit and CancelledError included.
    """

    def __init__(self, request: ChatRequest, limits: AttemptLimits) -> None:
        """Be asked, not begun."""
        self.request = request
        self.limits = limits
        self.begun = False
        self.ended_by: BaseException | None = None
        self._events: ChatEvents | None = None

    def watch(self, events: ChatEvents) -> ChatEvents:
        """Keep the generator, so that nothing but its consumer closes it."""
        self._events = events
        return events

    @property
    def closed(self) -> bool:
        """Whether the generator is over: run to its end, failed, or closed, even before it began."""
        generator = cast("AsyncGeneratorType[object, None]", self._events)
        # Annotated as never None, but it is None once the generator is over.
        return cast("object", generator.ag_frame) is None

    @property
    def left(self) -> bool:
        """Whether its consumer ended it, once begun: closed it early or was cancelled."""
        return self.ended_by is not None and not isinstance(self.ended_by, Exception)


class ScriptedProvider:
    """A `ChatProvider`, and a `ListsModels` with the models it is given.

    Attributes:
        lacks: What its models can't do.
        calls: Every `stream_chat`, in order.
        running: How many calls have begun and are not over.
        most_running: How many that were at most.
        closing: Where set, each generator waits at this gate while it is being closed.
        listing: What `catalogue` returns, or raises.
        listing_gate: Where set, `catalogue` waits here first.
        listings: How often `catalogue` was called.
    """

    def __init__(
        self,
        *steps: Step,
        info: ProviderInfo = LOCAL_OLLAMA,
        models: Sequence[str] = (),
        loaded: Sequence[str] | None = None,
        version: str = "",
        lacks: frozenset[Capability] = frozenset(),
    ) -> None:
        """Answer every call with `steps`; without any: "hello" and an ordinary end.

        Args:
            steps: The script of every call that `will` gives no script of its own.
            info: Who it says it is.
            models: Names for `catalogue`.
            loaded: Names of those in memory; None where the provider does not say.
            version: For `catalogue`.
            lacks: What its models can't do.
        """
        self._info = info
        self.lacks = lacks
        self._usual: tuple[Step, ...] = steps or (Delta("hello"), done())
        self._next: list[tuple[Step, ...]] = []
        self.calls: list[Call] = []
        self.running = 0
        self.most_running = 0
        self.closing: Gate | None = None
        self.listing: Catalogue | Exception = catalogue_of(models, loaded=loaded, version=version)
        self.listing_gate: Gate | None = None
        self.listings = 0

    @property
    def info(self) -> ProviderInfo:
        """Who this is."""
        return self._info

    def will(self, *steps: Step) -> None:
        """Give the next call that has no script yet this one; calls take them in order."""
        self._next.append(steps)

    def usually(self, *steps: Step) -> None:
        """Answer every call from now on with `steps`, if it has no script of its own."""
        self._usual = steps

    def missing(self, model: str, needs: frozenset[Capability]) -> frozenset[Capability]:  # noqa: ARG002  of no model
        """Return what it was made to lack."""
        return needs & self.lacks

    def stream_chat(self, request: ChatRequest, limits: AttemptLimits) -> ChatEvents:
        """Start one scripted answer."""
        steps = self._next.pop(0) if self._next else self._usual
        call = Call(request, limits)
        self.calls.append(call)
        return call.watch(cast("ChatEvents", self._run(call, steps)))

    async def _run(
        self, call: Call, steps: Sequence[Step]
    ) -> AsyncGenerator[ChatEvent | Waiting, None]:
        call.begun = True
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            for step in steps:
                match step:
                    case Waiting() | Delta() | SignOfLife() | Done():
                        yield step
                    case BaseException():
                        raise step  # noqa: TRY301  the script's own, told to the consumer
                    case Gate():
                        await step.passed()
                    case _:
                        step()
        except BaseException as error:
            call.ended_by = error
            raise
        finally:
            try:
                if self.closing is not None:
                    await self.closing.passed()
            finally:
                self.running -= 1

    async def catalogue(self) -> Catalogue:
        """Return `listing`, or raise it."""
        self.listings += 1
        if self.listing_gate is not None:
            await self.listing_gate.passed()
        if isinstance(self.listing, Exception):
            raise self.listing
        return self.listing

    def identity(self, name: str) -> str | None:
        """Return the name in lower case with its tag, "latest" if it has none."""
        return identity_of(name)


def identity_of(name: str) -> str | None:
    """Return what `ScriptedProvider` takes for a name's identity; None if empty or with a space."""
    bare = name.strip().lower()
    if not bare or " " in bare:
        return None
    return bare if ":" in bare else f"{bare}:latest"


def catalogue_of(
    models: Sequence[str], *, loaded: Sequence[str] | None = None, version: str = ""
) -> Catalogue:
    """Return a catalogue of these names, keyed as `identity_of` does."""
    known = {identity: ListedModel(name) for name in models if (identity := identity_of(name))}
    memory = None if loaded is None else dict.fromkeys(filter(None, map(identity_of, loaded)), "")
    return Catalogue(models=known, loaded=memory, version=version)


def names_of(catalogue: Catalogue) -> dict[str, str]:
    """Return the identities of a catalogue's models, and the names by which to ask for them."""
    return {identity: model.name for identity, model in catalogue.models.items()}
