"""The providers that must pass the suite. A new adapter is one more row of the table."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import cast

from llmsvc_server.app.tasks import Background
from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.events import ChatEvents
from llmsvc_server.chat.features import Capability
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import ProviderInfo
from llmsvc_server.providers.base import ChatProvider
from llmsvc_server.providers.mock import MockProvider
from llmsvc_server.providers.ollama.chat import OllamaProvider
from llmsvc_server.upstreams.settings import Site
from llmsvc_server.upstreams.upstream import Upstream
from tests.fakes.anthropic_adapter import anthropic_at
from tests.fakes.fake_anthropic import FakeAnthropic
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.fake_openai import FakeOpenai
from tests.fakes.listening_reporter import ListeningReporter
from tests.fakes.openai_at import openai_at
from tests.fakes.receipts import a_receipt
from tests.fakes.requests import MAX_ANSWER_BYTES
from tests.fakes.unfinished import unfinished
from tests.fakes.upstreams import FakeFacts, settings, surroundings

MODEL = "phi3:mini"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A provider, and the upstream behind it if it has one."""

    provider: ChatProvider
    upstream: FakeOllama | None = None


Factory = Callable[[], AbstractAsyncContextManager[Subject]]
Wrapping = Callable[[OllamaProvider, Background], ChatProvider]


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


class OneUpstream:
    """An upstream over one address, with room for two chats, as a provider."""

    def __init__(self, adapter: OllamaProvider, tasks: Background, *, is_loaded: bool) -> None:
        """Wait far longer than a test takes; without `is_loaded`, load the model first."""
        self._adapter = adapter
        facts = FakeFacts()
        facts.known, facts.in_memory = {"", MODEL}, is_loaded
        self._upstream = Upstream(
            adapter.info,
            [Site(adapter.info.name, adapter, facts)],
            settings(places=2, first_token_s=30, cold_s=30, idle_s=30),
            surroundings(asyncio.get_running_loop().time, ListeningReporter(), tasks=tasks),
        )

    @property
    def info(self) -> ProviderInfo:
        """The adapter's."""
        return self._upstream.info

    def missing(self, model: str, needs: frozenset[Capability]) -> frozenset[Capability]:
        """Return what the adapter says."""
        return self._adapter.missing(model, needs)

    def stream_chat(self, request: ChatRequest, limits: AttemptLimits) -> ChatEvents:
        """Run one attempt."""
        receipt = a_receipt()
        receipt.begin(self.info, request.model)
        return cast("ChatEvents", self._upstream.run(request, limits, receipt, {}))


def over_ollama(wrap: Wrapping) -> Factory:
    """Return a factory of the Ollama adapter on a fake server, inside what `wrap` puts around."""

    @asynccontextmanager
    async def made() -> AsyncIterator[Subject]:
        async with (
            FakeOllama(models=(MODEL,), num_parallel=4) as upstream,
            ollama_at(upstream.base_url) as adapter,
            Background() as tasks,
        ):
            yield Subject(provider=wrap(adapter, tasks), upstream=upstream)

    return made


NETWORKED: Mapping[str, Factory] = {
    "ollama": over_ollama(lambda adapter, _tasks: adapter),
    "as built": over_ollama(partial(OneUpstream, is_loaded=True)),
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
    "as built, cold": over_ollama(partial(OneUpstream, is_loaded=False)),
}
