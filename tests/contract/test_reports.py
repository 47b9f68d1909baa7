"""Exactly one report per call, with the code that the caller was told."""

import asyncio

import pytest

from llmsvc_server.chat.events import Delta
from llmsvc_server.chat.route import Privacy
from llmsvc_server.chat.usage import Usage
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import RpcReport
from tests.contract.calls import provider_of, settled, stream, unary
from tests.fakes.assembled import MODEL, Assembled, assembled
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.requests import chat_message
from tests.fakes.scripted_provider import LOCAL_OLLAMA, Step, done

pytestmark = pytest.mark.usefixtures("nothing_left")
CHAT, CHAT_STREAM = "/llmsvc.v1.LLMService/Chat", "/llmsvc.v1.LLMService/ChatStream"


async def reported(service: Assembled, calls: int) -> list[RpcReport]:
    """Return the reports once that many calls have ended, and see that there are no more."""
    await eventually(lambda: len(service.reporter.rpcs) >= calls)
    assert calls == len(service.reporter.starts)
    return service.reporter.rpcs


@pytest.mark.parametrize(
    ("steps", "whole", "streamed"),
    [
        ([Delta("a"), done()], ("OK", ""), ("OK", "")),
        (
            [ProviderError(ErrorKind.TRANSIENT)],
            ("UNAVAILABLE", "PROVIDER_ERROR"),
            ("UNAVAILABLE", "PROVIDER_ERROR"),
        ),
        (
            [Delta("a"), ProviderError(ErrorKind.TRANSIENT)],
            ("UNAVAILABLE", "PROVIDER_ERROR"),
            ("ABORTED", "STREAM_INTERRUPTED"),
        ),
        ([ValueError()], ("INTERNAL", "INTERNAL_ERROR"), ("INTERNAL", "INTERNAL_ERROR")),
    ],
)
async def test_each_call_is_reported_once_as_its_caller_was_told(
    steps: list[Step], whole: tuple[str, str], streamed: tuple[str, str]
) -> None:
    provider = provider_of(*steps)
    async with assembled(provider) as service:
        told = [(await unary(service)).outcome, (await stream(service)).outcome]
        await settled(service, provider)
        reports = await reported(service, 2)

    assert [whole, streamed] == told
    assert told == [(one.code, one.reason) for one in reports]
    assert [CHAT, CHAT_STREAM] == [one.method for one in reports]
    assert [one.request_id for one in service.reporter.starts] == [
        one.request_id for one in reports
    ]


async def test_a_stream_that_succeeded_is_told_in_full() -> None:
    provider = provider_of(Delta("a"), Delta("b"), done(input_tokens=3, output_tokens=2))
    async with assembled(provider) as service:
        await stream(service)
        (report,) = await reported(service, 1)

    assert report.route is not None
    assert (LOCAL_OLLAMA, MODEL) == (report.route.provider, report.route.model)
    assert Privacy.CLOUD_ALLOWED is report.route.trail.privacy
    assert 1 == report.attempts
    assert Usage(input_tokens=3, output_tokens=2) == report.usage
    assert 4 == report.messages_sent
    assert report.first_content_s is not None
    assert 0 <= report.first_content_s <= report.duration_s
    assert not report.detail


async def test_a_whole_answer_is_told_with_its_route_and_usage() -> None:
    provider = provider_of(Delta("a"), done(output_tokens=2))
    async with assembled(provider) as service:
        await unary(service)
        (report,) = await reported(service, 1)

    assert report.route is not None
    assert LOCAL_OLLAMA == report.route.provider
    assert (Usage(output_tokens=2), 1, 1) == (report.usage, report.messages_sent, report.attempts)


async def test_a_call_that_nobody_answered_has_no_route() -> None:
    provider = provider_of(ProviderError(ErrorKind.SATURATED))
    async with assembled(provider) as service:
        await stream(service)
        (report,) = await reported(service, 1)

    assert (None, None, None, 0, 1) == (
        report.route,
        report.usage,
        report.first_content_s,
        report.messages_sent,
        report.attempts,
    )


@pytest.mark.parametrize("request_", [b"\xff", b""], ids=["no message", "an empty one"])
@pytest.mark.parametrize("method", [CHAT, CHAT_STREAM])
async def test_requests_that_are_none_are_reported_too(method: str, request_: bytes) -> None:
    async with assembled(provider_of()) as service:
        code = await service.channel.unary_unary(method, bytes, bytes)(request_).code()
        (report,) = await reported(service, 1)

    assert "INVALID_ARGUMENT" == code.name
    assert ("INVALID_ARGUMENT", "INVALID_REQUEST") == (report.code, report.reason)
    assert method == report.method


async def test_calls_that_run_together_keep_their_own_ids() -> None:
    gate = Gate()
    ids = [f"req-{number}" for number in range(50)]
    async with assembled(provider_of(gate, done())) as service:
        calls = [
            service.stub.Chat(chat_message(), metadata=(("x-request-id", one),)) for one in ids
        ]
        answers = asyncio.gather(*calls)
        await gate.reached(50)
        gate.open()
        returned = [answer.request_id for answer in await answers]
        reports = await reported(service, 50)

    assert ids == returned
    assert sorted(ids) == sorted(one.request_id for one in reports)
