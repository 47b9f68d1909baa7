"""The providers that must pass the suite. A new adapter or wrapper is one more row of the table."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from llmsvc_server.app.tasks import Background
from llmsvc_server.chat.events import ChatEvents, Waiting
from llmsvc_server.chat.route import ProviderInfo
from llmsvc_server.providers.base import ChatProvider
from llmsvc_server.providers.mock import MockProvider
from llmsvc_server.providers.ollama.chat import OllamaProvider
from llmsvc_server.routing.blocks import Blocks
from llmsvc_server.routing.budget import Patience
from llmsvc_server.routing.endpoint import Endpoint
from llmsvc_server.routing.healing import Healing
from llmsvc_server.routing.loads import LOADS_AT_ONCE, Loads
from llmsvc_server.routing.observed import Observed
from llmsvc_server.routing.pace import Pace
from llmsvc_server.routing.pooled import Pooled
from llmsvc_server.routing.timed import Timed
from llmsvc_server.routing.warmed import Warmed
from tests.fakes.anthropic_adapter import anthropic_at
from tests.fakes.fake_anthropic import FakeAnthropic
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.fake_openai import FakeOpenai
from tests.fakes.listening_reporter import ListeningReporter
from tests.fakes.openai_at import openai_at
from tests.fakes.requests import MAX_ANSWER_BYTES
from tests.fakes.unfinished import unfinished

MODEL = "phi3:mini"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A provider, and the upstream behind it if it has one."""

    provider: ChatProvider
    upstream: FakeOllama | None = None


Factory = Callable[[], AbstractAsyncContextManager[Subject]]
Start = Callable[[Coroutine[object, object, None]], object]
Wrapping = Callable[[OllamaProvider, Start], ChatProvider]


def ollama_at(  # noqa: PLR0913  the adapter's own settings
    base_url: str,
    *,
    num_ctx: int | None = 2_048,
    temperature: float | None = 0.7,
    keep_alive_s: int = 300,
    max_output_tokens: int = 8_192,
    connect_timeout_s: float = 2.0,
) -> OllamaProvider:
    """Return an adapter with everyday settings."""
    return OllamaProvider(
        "ollama",
        base_url=base_url,
        temperature=temperature,
        num_ctx=num_ctx,
        keep_alive_s=keep_alive_s,
        max_output_tokens=max_output_tokens,
        max_answer_bytes=MAX_ANSWER_BYTES,
        unfinished=unfinished(),
        connect_timeout_s=connect_timeout_s,
        user_agent="llmsvc/test",
    )


@asynccontextmanager
async def mock() -> AsyncIterator[Subject]:
    """Give the mock alone."""
    yield Subject(provider=MockProvider("mock", model=MODEL, max_output_tokens=8_192))


async def without_waits(events: ChatEvents) -> ChatEvents:
    """Pass on all but the words on what is waited for, which wrappers add."""
    async with aclosing(events):
        async for event in events:
            if not isinstance(event, Waiting):
                yield event


def over_ollama(wrap: Wrapping) -> Factory:
    """Return a factory of the Ollama adapter on a fake server, inside what `wrap` puts around."""

    @asynccontextmanager
    async def made() -> AsyncIterator[Subject]:
        async with (
            FakeOllama(models=(MODEL,), num_parallel=4) as upstream,
            ollama_at(upstream.base_url) as adapter,
            Background() as background,
        ):
            yield Subject(provider=wrap(adapter, background.start), upstream=upstream)

    return made


def bare(adapter: OllamaProvider, _start: Start) -> ChatProvider:
    """Put nothing around."""
    return adapter


def timed(adapter: OllamaProvider, _start: Start) -> Timed:
    """Limit silence to far more than a test takes."""
    return Timed(adapter, idle_s=30.0)


def patience() -> Patience:
    """Return limits on silence that are far more than a test takes."""
    return Patience(
        first_token_s=30.0,
        cold_s=30.0,
        is_loaded=lambda _model: True,
        pace=Pace(least_s=1.0),
        reads_prompts=True,
    )


def endpoint(inner: ChatProvider) -> Endpoint:
    """Return the one address, with room for two chats."""
    clock = asyncio.get_running_loop().time
    return Endpoint(
        "ollama",
        inner,
        places=2,
        places_per_model=2,
        knows=lambda _model: True,
        blocks=Blocks(clock=clock, changed=lambda _error, _state: None),
        clock=clock,
        chance=random.Random(1),  # noqa: S311  spreads
        reporter=ListeningReporter(),
    )


def pool(info: ProviderInfo, place: Endpoint) -> Pooled:
    """Return a pool with a line of eight."""
    return Pooled(
        info,
        [place],
        max_queued=8,
        queue_timeout_s=30.0,
        patience=patience(),
        is_loaded=lambda _endpoint, _model: True,
        advice="",
        clock=asyncio.get_running_loop().time,
        chance=random.Random(1),  # noqa: S311  spreads
        reporter=ListeningReporter(),
    )


def pooled(adapter: OllamaProvider, _start: Start) -> Pooled:
    """Let two chats through at a time."""
    return pool(adapter.info, endpoint(adapter))


def warmed(adapter: OllamaProvider, start: Start, *, is_loaded: bool = True) -> Warmed:
    """Load first what is not in memory; heal what is wedged."""
    clock, reporter = asyncio.get_running_loop().time, ListeningReporter()
    place = endpoint(timed(adapter, start))
    loads = Loads(
        place.name,
        adapter,
        is_loaded=lambda _model: is_loaded,
        start=start,
        at_once=asyncio.Semaphore(LOADS_AT_ONCE),
        failed=place.load_failed,
        clock=clock,
        reporter=reporter,
    )
    _ = Healing(
        place,
        loads,
        adapter,
        busy_until=lambda _model: "",
        start=start,
        clock=clock,
        reporter=reporter,
    )
    return Warmed(pool(adapter.info, place), {place: loads}, patience=patience())


def observe(inner: ChatProvider) -> Observed:
    """Report failures to nobody who minds."""
    clock = asyncio.get_running_loop().time
    return Observed(inner, pace=Pace(least_s=1.0), reporter=ListeningReporter(), clock=clock)


def observed(adapter: OllamaProvider, _start: Start) -> Observed:
    """Watch the adapter alone."""
    return observe(adapter)


def as_built(adapter: OllamaProvider, start: Start, *, is_loaded: bool = True) -> Observed:
    """Put all wrappers around, in the order of the service."""
    return observe(warmed(adapter, start, is_loaded=is_loaded))


NETWORKED: Mapping[str, Factory] = {
    "ollama": over_ollama(bare),
    "timed": over_ollama(timed),
    "pooled": over_ollama(pooled),
    "warmed": over_ollama(warmed),
    "observed": over_ollama(observed),
    "as built": over_ollama(as_built),
}
"""With an upstream on a real socket, and the model in memory."""


@asynccontextmanager
async def openai() -> AsyncIterator[Subject]:
    """Give the adapter of OpenAI-compatible servers on a fake one."""
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as adapter:
        yield Subject(provider=adapter)


@asynccontextmanager
async def anthropic() -> AsyncIterator[Subject]:
    """Give the adapter of Anthropic on a fake one."""
    async with FakeAnthropic(models=(MODEL,)) as fake, anthropic_at(fake.base_url) as adapter:
        yield Subject(provider=adapter)


ALL: Mapping[str, Factory] = {
    "mock": mock,
    "openai": openai,
    "anthropic": anthropic,
    **NETWORKED,
    "as built, cold": over_ollama(partial(as_built, is_loaded=False)),
}
