from contextlib import aclosing

import pytest

from llmsvc_server.chat.events import Delta
from llmsvc_server.errors import ProviderFailed
from llmsvc_server.routing.observed import Observed
from tests.fakes.listening_reporter import ListeningReporter
from tests.fakes.manual_clock import ManualClock
from tests.fakes.requests import budget_of, chat_request
from tests.fakes.scripted_provider import ScriptedProvider, done


async def read(provider: Observed) -> list[object]:
    async with aclosing(provider.stream_chat(chat_request(model="m"), budget_of())) as events:
        return [event async for event in events]


async def test_a_failed_attempt_is_reported_once_with_who_what_and_how_long() -> None:
    clock, reporter = ManualClock(), ListeningReporter()
    failure = ProviderFailed(row="O12", status=500)
    steps = (lambda: clock.advance(2), Delta("a"), lambda: clock.advance(3), failure)
    inner = ScriptedProvider(*steps)
    with pytest.raises(ProviderFailed):
        await read(Observed(inner, reporter=reporter, clock=clock))
    (report,) = reporter.attempts

    assert (inner.info, "m", failure) == (report.provider, report.model, report.error)
    assert (5, 2) == (report.duration_s, report.first_event_s)


async def test_an_answer_is_no_news() -> None:
    reporter = ListeningReporter()
    inner = ScriptedProvider(Delta("a"), done())
    events = await read(Observed(inner, reporter=reporter, clock=ManualClock()))

    assert [Delta("a"), done()] == events
    assert [] == reporter.attempts
