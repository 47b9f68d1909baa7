"""A real Ollama and the real service over it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.live.ollama_process import OllamaProcess
from tests.live.service import Service, service
from tests.live.subject import (
    BASE_URL,
    FEW_TOKENS,
    GREETING,
    MANY_TOKENS,
    STORY,
    Subject,
    our_own,
    persons_own,
)


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
async def talking(subject: Subject) -> Subject:
    """Return it if its default model greets.

    A person's own is asked past the service, so that no defect of ours passes for a silent model.
    """
    if subject.process is None:
        reply = await subject.api.chat(subject.model, GREETING, most_tokens=FEW_TOKENS)
        if not reply.text.strip():
            why = "says nothing to" if reply.done_reason == "stop" else "still thinks about"
            tokens = reply.output_tokens
            pytest.skip(f"{subject.model} {why} {GREETING!r} after {tokens} tokens")
    return subject


@pytest.fixture
async def lasting(subject: Subject) -> Subject:
    """Return it if its default model has more than a few tokens for a story."""
    if subject.process is None:
        reply = await subject.api.chat(subject.model, STORY, most_tokens=FEW_TOKENS)
        if reply.output_tokens < MANY_TOKENS:
            pytest.skip(f"{subject.model} ends {STORY!r} after {reply.output_tokens} tokens")
    return subject


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
