"""A real Ollama and the real service over it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.live.ollama_process import OllamaProcess
from tests.live.service import Service, service
from tests.live.subject import BASE_URL, Subject, our_own, persons_own


@pytest.fixture(scope="session")
async def subject(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Subject]:
    """Return the Ollama of this run: the person's own where the environment names one."""
    named = persons_own()
    if named is not None:
        yield named
        return
    async with our_own(tmp_path_factory.mktemp("ollama")) as subject:
        yield subject


@pytest.fixture(scope="session")
async def served(
    subject: Subject, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """Return a service over it, with the default model."""
    folder = tmp_path_factory.mktemp("llmsvc")
    async with service(folder, subject.base_url, model=subject.model) as running:
        yield running


@pytest.fixture
def scripted(subject: Subject) -> Subject:
    """Return it if its models say what a script says."""
    if subject.process is None:
        pytest.skip(f"{BASE_URL} is set: nobody knows what that model will say")
    return subject


@pytest.fixture
async def breakable(tmp_path: Path) -> AsyncIterator[Subject]:
    """Return an Ollama for this test alone."""
    if persons_own() is not None:
        pytest.skip(f"{BASE_URL} is set: nothing is broken there")
    async with our_own(tmp_path) as subject:
        yield subject


@pytest.fixture
def ollama(breakable: Subject) -> OllamaProcess:
    """Return its process."""
    assert breakable.process is not None
    return breakable.process


@pytest.fixture
async def over_it(breakable: Subject, tmp_path: Path) -> AsyncIterator[Service]:
    """Return a service over the Ollama of this test, with the endless model as its default."""
    entry = {"model": breakable.talker, "timeout": 3}
    async with service(tmp_path, breakable.base_url, **entry) as running:
        yield running
