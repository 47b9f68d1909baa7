"""One subject after another for every test of the suite."""

from collections.abc import AsyncIterator

import pytest

from llmsvc_server.providers.base import ChatProvider
from tests.conformance.subjects import ALL, NETWORKED
from tests.fakes.fake_ollama import FakeOllama


@pytest.fixture(params=ALL)
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[ChatProvider]:
    """Every provider."""
    async with ALL[request.param]() as subject:
        yield subject.provider


@pytest.fixture(params=NETWORKED)
async def networked(
    request: pytest.FixtureRequest,
) -> AsyncIterator[tuple[ChatProvider, FakeOllama]]:
    """Every provider with an upstream, and that."""
    async with NETWORKED[request.param]() as subject:
        assert subject.upstream is not None
        yield subject.provider, subject.upstream
