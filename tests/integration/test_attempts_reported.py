"""Every attempt is reported once, when it is over, and as it ended."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from llmsvc_server.reports import AttemptEnd
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.ollama_steps import headers, page, token
from tests.fakes.requests import chat_message
from tests.fakes.running_service import RunningService, over_ollama, running_service
from tests.integration.calling import answerer

each_method = pytest.mark.parametrize("unary", [True, False], ids=["Chat", "ChatStream"])


@asynccontextmanager
async def service_over() -> AsyncIterator[tuple[FakeOllama, RunningService]]:
    """Run the service over an Ollama with its model in memory, and the mock after it."""
    async with (
        FakeOllama(models=("phi3:mini",), loaded=("phi3:mini",)) as fake,
        running_service(over_ollama(fake, mock=True)) as service,
    ):
        yield fake, service


def ends(service: RunningService) -> list[tuple[str, AttemptEnd]]:
    """Return who was tried, and how each attempt ended."""
    return [(one.provider.name, one.end) for one in service.reporter.finished]


@each_method
async def test_an_answer_after_a_failure_is_two_attempts(*, unary: bool) -> None:
    async with service_over() as (fake, service):
        fake.will(page(401, "no"))
        await answerer(service, unary=unary)
        await eventually(lambda: len(service.reporter.rpcs) == 1)
        failed, answered = service.reporter.finished

    assert [("ollama", AttemptEnd.FAILED), ("mock", AttemptEnd.ANSWERED)] == ends(service)
    assert (True, False) == (failed.error is not None, answered.error is not None)
    assert answered.first_content_s is not None
    assert 0 <= answered.first_content_s <= answered.duration_s


@each_method
async def test_who_leaves_leaves_an_attempt_that_is_over(*, unary: bool) -> None:
    gate = Gate()
    async with service_over() as (fake, service):
        fake.will((headers(), token("a"), gate))
        call = service.stub.Chat if unary else service.stub.ChatStream
        running = call(chat_message())
        await gate.reached()
        running.cancel()
        await eventually(lambda: len(service.reporter.rpcs) == 1)

    assert [("ollama", AttemptEnd.LEFT)] == ends(service)
    assert [] == service.reporter.attempts
