"""The caller's deadline and the server's own limits, before content and after it."""

import pytest

from llmsvc.v1 import llm_pb2
from llmsvc_server.chat.events import Delta
from tests.contract.calls import provider_of, reports, settled, stream, unary
from tests.fakes.assembled import MODEL, assembled
from tests.fakes.gate import Gate
from tests.fakes.scripted_provider import done

pytestmark = pytest.mark.usefixtures("nothing_left")
TIME_LIMIT = ("DEADLINE_EXCEEDED", "TIME_LIMIT_EXCEEDED")
TRIES = 3
"""A machine that pauses for 150 ms takes the lead that the server has."""


async def test_the_callers_deadline_in_mid_stream_is_answered_before_it_passes() -> None:
    provider = provider_of(Delta("a"), Gate(), done())
    async with assembled(provider) as service:
        tried = [await stream(service, timeout_s=1.0)]
        while TIME_LIMIT != tried[-1].outcome and len(tried) < TRIES:
            tried.append(await stream(service, timeout_s=1.0))
        await settled(service, provider)
    ended = tried[-1]
    assert ended.failure is not None

    assert ["started", "delta"] == ended.events
    assert TIME_LIMIT == ended.outcome
    assert {} == ended.failure.metadata
    assert -1 == ended.failure.pushback_ms
    assert TIME_LIMIT == reports(service)[-1]
    assert provider.calls[-1].left


async def test_our_limit_before_content_is_told_with_its_seconds() -> None:
    provider = provider_of(Gate(), done())
    async with assembled(provider, chat_s=0.2, stream_s=0.3) as service:
        whole, streamed = await unary(service), await stream(service)
        await settled(service, provider)
    assert whole.failure is not None
    assert streamed.failure is not None

    assert [TIME_LIMIT] * 2 == [whole.outcome, streamed.outcome]
    assert {"limitSeconds": "0.2"} == whole.failure.metadata
    assert {"limitSeconds": "0.3"} == streamed.failure.metadata
    assert [TIME_LIMIT] * 2 == reports(service)


async def test_our_limit_after_content_interrupts_the_stream_but_not_a_whole_answer() -> None:
    provider = provider_of(Delta("a"), Gate(), done())
    async with assembled(provider, chat_s=0.2, stream_s=1.0) as service:
        whole, streamed = await unary(service), await stream(service)
        await settled(service, provider)
    assert streamed.failure is not None

    assert TIME_LIMIT == whole.outcome
    assert ("ABORTED", "STREAM_INTERRUPTED") == streamed.outcome
    assert ["started", "delta"] == streamed.events
    assert {"cause": "timeLimit"} == streamed.failure.metadata
    assert MODEL == streamed.failure.detail(llm_pb2.RouteInfo).model


async def test_our_cap_holds_against_a_longer_deadline() -> None:
    provider = provider_of(Gate(), done())
    async with assembled(provider, cap_s=0.2) as service:
        ended = await stream(service, timeout_s=1000)
        await settled(service, provider)
    assert ended.failure is not None

    assert TIME_LIMIT == ended.outcome
    assert {"limitSeconds": "0.2"} == ended.failure.metadata


async def test_a_longer_deadline_than_our_default_counts() -> None:
    gate = Gate()
    provider = provider_of(gate, done())
    async with assembled(provider, chat_s=0.01) as service:
        gate.open()
        ended = await unary(service, timeout_s=30)
        await settled(service, provider)
    limits = provider.calls[0].limits

    assert ("OK", "") == ended.outcome
    assert limits.finish_by.remaining_s() > 20


async def test_a_provider_that_does_not_stop_is_left_at_the_latest_with_the_callers_deadline() -> (
    None
):
    provider = provider_of(Gate(), done())
    provider.closing = Gate()
    async with assembled(provider, stream_s=0.1) as service:
        ended = await stream(service, timeout_s=0.5)
        await settled(service, provider)

    assert "DEADLINE_EXCEEDED" == ended.outcome[0]
    assert 1 == len(reports(service))


async def test_an_answer_that_is_complete_counts_though_its_provider_is_slow_to_close() -> None:
    provider = provider_of(Delta("a"), done())
    provider.closing = Gate()
    async with assembled(provider, stream_s=0.2) as service:
        streamed = await stream(service)
        await settled(service, provider)

    assert ("OK", "completed") == (streamed.outcome[0], streamed.events[-1])
    assert [("OK", "")] == reports(service)
