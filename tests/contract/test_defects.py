"""Faults of our own and of providers: a status, never a hang, and no word of them."""

import asyncio

import pytest

from llmsvc_server.chat.events import Delta
from tests.contract.calls import Ended, provider_of, reports, settled, stream, unary
from tests.fakes.assembled import assembled
from tests.fakes.scripted_provider import Step, done

pytestmark = pytest.mark.usefixtures("nothing_left")
INTERNAL = ("INTERNAL", "INTERNAL_ERROR")
INTERRUPTED = ("ABORTED", "STREAM_INTERRUPTED")


async def both(*steps: Step) -> tuple[Ended, Ended, list[str]]:
    """Return how Chat and ChatStream ended, and what the log is told of it."""
    provider = provider_of(*steps)
    async with assembled(provider) as service:
        whole, streamed = await unary(service, timeout_s=5), await stream(service, timeout_s=5)
        await settled(service, provider)
    assert [whole.outcome, streamed.outcome] == reports(service)
    return whole, streamed, [one.detail for one in service.reporter.rpcs]


@pytest.mark.parametrize(
    ("defect", "named"),
    [
        (asyncio.CancelledError("secret"), "ForeignCancelError"),
        (ValueError("secret"), "ValueError"),
        (TimeoutError("secret"), "TimeoutError"),
        (ExceptionGroup("secret", [ValueError("secret")]), "ExceptionGroup"),
        (UnicodeDecodeError("utf-8", b"secret", 0, 1, "secret"), "UnicodeDecodeError"),
    ],
)
@pytest.mark.parametrize("before", [(), (Delta("a"),)], ids=["before content", "after it"])
async def test_a_defect_of_a_provider_ends_the_call_and_the_log_says_where_it_is(
    defect: BaseException, named: str, before: tuple[Delta, ...]
) -> None:
    whole, streamed, details = await both(*before, defect)

    assert INTERNAL == whole.outcome
    assert (INTERRUPTED if before else INTERNAL) == streamed.outcome
    assert all(detail.startswith(f"{named} at ") for detail in details)
    assert "secret" not in repr((whole, streamed, details))


async def test_a_text_that_cannot_be_sent_is_a_defect_and_is_not_quoted() -> None:
    whole, streamed, details = await both(Delta("secret\ud800"), done())

    assert INTERNAL == whole.outcome
    assert INTERRUPTED == streamed.outcome
    assert "secret" not in repr((whole, streamed, details))


async def test_an_answer_that_stops_without_its_end_is_not_passed_off_as_whole() -> None:
    whole, streamed, _ = await both(Delta("a"))

    assert ("INTERNAL", "PROVIDER_PROTOCOL") == whole.outcome
    assert INTERRUPTED == streamed.outcome
    assert ["started", "delta"] == streamed.events


@pytest.mark.parametrize("counts", [(2**31, 1), (-1, 1), (2**31 - 1, 2**31 - 1)])
async def test_token_counts_that_are_nonsense_cost_nobody_the_answer(
    counts: tuple[int, int],
) -> None:
    whole, streamed, _ = await both(
        Delta("a"), done(input_tokens=counts[0], output_tokens=counts[1])
    )

    assert [("OK", "")] * 2 == [whole.outcome, streamed.outcome]
