"""What the client repeats by itself: one call, if nobody answered, and never against pushback."""

from collections.abc import Awaitable, Callable

import grpc
import pytest

from llmsvc_client import Client, LlmsvcError, UnavailableError
from tests.fakes.scripted_answers import Failing, completed, piece, response, rich, started
from tests.fakes.scripted_service import ScriptedService, Step

DOWN = Failing(grpc.StatusCode.UNAVAILABLE)


async def whole(client: Client) -> str:
    return (await client.chat("hi")).text


async def streamed(client: Client) -> str:
    async with client.stream("hi") as stream:
        return "".join([piece.text async for piece in stream])


Ask = Callable[[Client], Awaitable[str]]
both = pytest.mark.parametrize("ask", [whole, streamed])


@pytest.mark.parametrize(
    ("ask", "answer"),
    [(whole, [response("Hello")]), (streamed, [started(), piece("Hello"), completed()])],
)
async def test_a_second_call_answers_where_the_first_was_unavailable(
    service: ScriptedService, client: Client, ask: Ask, answer: list[Step]
) -> None:
    service.scripts = [[DOWN], answer]

    text = await ask(client)

    assert "Hello" == text
    assert ["failed", "ok"] == service.ends


@both
async def test_there_is_no_third_call(service: ScriptedService, client: Client, ask: Ask) -> None:
    service.scripts = [[DOWN]]

    with pytest.raises(UnavailableError):
        await ask(client)

    assert 2 == len(service.calls)


@both
async def test_pushback_stops_the_second_call(
    service: ScriptedService, client: Client, ask: Ask
) -> None:
    service.scripts = [[rich(grpc.StatusCode.UNAVAILABLE, "PROVIDER_UNREACHABLE", pushback_ms=-1)]]

    with pytest.raises(UnavailableError) as caught:
        await ask(client)

    assert "PROVIDER_UNREACHABLE" == caught.value.reason
    assert 1 == len(service.calls)


@pytest.mark.parametrize(
    ("ask", "answer"),
    [(whole, [response("Hello")]), (streamed, [started(), piece("Hello"), completed()])],
)
async def test_a_cancel_that_is_not_ours_is_repeated_too(
    service: ScriptedService, client: Client, ask: Ask, answer: list[Step]
) -> None:
    service.scripts = [[Failing(grpc.StatusCode.CANCELLED)], answer]

    text = await ask(client)

    assert "Hello" == text


@both
async def test_a_cancel_that_is_not_ours_means_unavailable(
    service: ScriptedService, client: Client, ask: Ask
) -> None:
    service.scripts = [[Failing(grpc.StatusCode.CANCELLED)]]

    with pytest.raises(UnavailableError) as caught:
        await ask(client)

    assert caught.value.retryable
    assert 2 == len(service.calls)


async def test_pushback_sets_the_pause(service: ScriptedService, client: Client) -> None:
    draining = rich(grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING", pushback_ms=100)
    service.scripts = [[draining], [response("Hello")]]

    text = await whole(client)

    assert "Hello" == text


@both
@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    ],
)
async def test_nothing_but_unavailable_is_repeated(
    service: ScriptedService, client: Client, ask: Ask, code: grpc.StatusCode
) -> None:
    service.scripts = [[Failing(code)]]

    with pytest.raises(LlmsvcError):
        await ask(client)

    assert 1 == len(service.calls)


async def test_a_stream_that_began_is_not_repeated(
    service: ScriptedService, client: Client
) -> None:
    service.scripts = [[started(), DOWN]]

    with pytest.raises(LlmsvcError):
        await streamed(client)

    assert 1 == len(service.calls)
