"""The providers that must pass the suite. A new adapter or wrapper is one more row of the table."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from llmsvc_server.providers.base import ChatProvider
from llmsvc_server.providers.mock import MockProvider
from llmsvc_server.providers.ollama.chat import OllamaProvider
from llmsvc_server.routing.budget import Patience
from llmsvc_server.routing.observed import Observed
from llmsvc_server.routing.pooled import Pooled
from llmsvc_server.routing.timed import Timed
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.listening_reporter import ListeningReporter

MODEL = "phi3:mini"
PATIENCE = Patience(first_token_s=30.0, cold_s=30.0, is_loaded=lambda _model: True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A provider, and the upstream behind it if it has one."""

    provider: ChatProvider
    upstream: FakeOllama | None = None


Factory = Callable[[], AbstractAsyncContextManager[Subject]]
Wrapping = Callable[[ChatProvider], ChatProvider]


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
        connect_timeout_s=connect_timeout_s,
        user_agent="llmsvc/test",
    )


@asynccontextmanager
async def mock() -> AsyncIterator[Subject]:
    """Give the mock alone."""
    yield Subject(provider=MockProvider("mock", model=MODEL, max_output_tokens=8_192))


def over_ollama(wrap: Wrapping = lambda provider: provider) -> Factory:
    """Return a factory of the Ollama adapter on a fake server, inside what `wrap` puts around."""

    @asynccontextmanager
    async def made() -> AsyncIterator[Subject]:
        async with (
            FakeOllama(models=(MODEL,), num_parallel=4) as upstream,
            ollama_at(upstream.base_url) as adapter,
        ):
            yield Subject(provider=wrap(adapter), upstream=upstream)

    return made


def timed(inner: ChatProvider) -> ChatProvider:
    """Limit silence to far more than a test takes."""
    return Timed(inner, patience=PATIENCE, idle_s=30.0)


def pooled(inner: ChatProvider) -> ChatProvider:
    """Let two chats through at a time."""
    return Pooled(
        inner,
        slots_per_model=2,
        max_queued=8,
        queue_timeout_s=30.0,
        patience=PATIENCE,
        clock=asyncio.get_running_loop().time,
        reporter=ListeningReporter(),
    )


def observed(inner: ChatProvider) -> ChatProvider:
    """Report failures to nobody who minds."""
    clock = asyncio.get_running_loop().time
    return Observed(inner, reporter=ListeningReporter(), clock=clock)


NETWORKED: Mapping[str, Factory] = {
    "ollama": over_ollama(),
    "timed": over_ollama(timed),
    "pooled": over_ollama(pooled),
    "observed": over_ollama(observed),
    "as built": over_ollama(lambda adapter: observed(pooled(timed(adapter)))),
}
"""With an upstream on a real socket."""

ALL: Mapping[str, Factory] = {"mock": mock, **NETWORKED}
