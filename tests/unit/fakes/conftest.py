"""A fake Ollama with one model, and a client to ask it with."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.fakes.fake_ollama import FakeOllama


@pytest.fixture
async def fake() -> AsyncIterator[FakeOllama]:
    """A server of generation 0.24.0 with phi3:mini on disk, one slot."""
    async with FakeOllama(models=("phi3:mini",)) as server:
        yield server


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """An ordinary client."""
    async with aiohttp.ClientSession() as client:
        yield client
