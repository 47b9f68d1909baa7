"""The vendor's own client works against the fake, and sends and reads the same as our adapter."""

import dataclasses
from collections.abc import AsyncIterator
from contextlib import aclosing

import anthropic
import pytest
from anthropic.types import MessageParam

from llmsvc_server.chat.events import Delta, Done
from llmsvc_server.chat.request import ChatRequest, Delivery, Message, Role, Sampling
from llmsvc_server.errors import ProviderError
from tests.fakes.anthropic_adapter import MODEL, anthropic_at
from tests.fakes.anthropic_checks import VERSION
from tests.fakes.anthropic_steps import (
    answer,
    error_event,
    finish,
    ping,
    refuse,
    start,
    thought,
    tokens,
)
from tests.fakes.fake_anthropic import KEY, FakeAnthropic
from tests.fakes.requests import chat_request, limits_of

QUESTION: list[MessageParam] = [{"role": "user", "content": "hi"}]


@pytest.fixture
async def fake() -> AsyncIterator[FakeAnthropic]:
    """A server with one model."""
    async with FakeAnthropic(models=(MODEL,)) as server:
        yield server


@pytest.fixture
async def client(fake: FakeAnthropic) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """The vendor's client, speaking to the fake, without its retries."""
    async with anthropic.AsyncAnthropic(
        base_url=fake.base_url, api_key=KEY, max_retries=0
    ) as vendor:
        yield vendor


async def ours(fake: FakeAnthropic, request: ChatRequest | None = None) -> tuple[str, Done]:
    """Return what our adapter makes of the same answer."""
    asked = request or chat_request(model=MODEL)
    async with (
        anthropic_at(fake.base_url) as provider,
        aclosing(provider.stream_chat(asked, limits_of())) as events,
    ):
        *deltas, done = [event async for event in events]
    assert isinstance(done, Done)
    return "".join(delta.text for delta in deltas if isinstance(delta, Delta)), done


async def theirs(client: anthropic.AsyncAnthropic) -> anthropic.types.Message:
    """Return what the vendor's client makes of an answer."""
    async with client.messages.stream(model=MODEL, max_tokens=100, messages=QUESTION) as stream:
        return await stream.get_final_message()


def text_of(message: anthropic.types.Message) -> str:
    """Return the text of the vendor's message."""
    return "".join(block.text for block in message.content if block.type == "text")


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(answer("Grüße, 世界 👩‍👩‍👧"), id="plain"),
        pytest.param((start(), ping(), tokens(3), ping(), finish("max_tokens")), id="pings"),
        pytest.param((start(), finish("refusal")), id="refusal without a word"),
        pytest.param((start(), tokens(2), finish("refusal")), id="refusal halfway"),
        pytest.param((start(), finish()), id="empty"),
    ],
)
async def test_reads_the_same_as_we(
    fake: FakeAnthropic, client: anthropic.AsyncAnthropic, script: object
) -> None:
    fake.will(script, times=2)  # type: ignore[arg-type]  # pytest's parameters are objects

    message = await theirs(client)
    text, done = await ours(fake)

    assert text_of(message) == text
    assert message.stop_reason == done.provider_finish_reason
    assert message.usage.output_tokens == done.usage.output_tokens
    assert done.usage.input_tokens == message.usage.input_tokens + (
        message.usage.cache_read_input_tokens or 0
    ) + (message.usage.cache_creation_input_tokens or 0)


async def test_reads_the_same_answer_after_thinking(
    fake: FakeAnthropic, client: anthropic.AsyncAnthropic
) -> None:
    fake.will(start(), thought("hm"), tokens("an answer"), finish(), times=2)

    events = [
        event
        async for event in await client.messages.create(
            model=MODEL, max_tokens=100, messages=QUESTION, stream=True
        )
    ]
    text, _ = await ours(fake)

    deltas = [event.delta for event in events if event.type == "content_block_delta"]
    assert text == "".join(delta.text for delta in deltas if delta.type == "text_delta")
    assert ["hm"] == [delta.thinking for delta in deltas if delta.type == "thinking_delta"]


async def test_names_the_stop_sequence_as_we(
    fake: FakeAnthropic, client: anthropic.AsyncAnthropic
) -> None:
    fake.will(start(), tokens(1), finish("stop_sequence", "§"), times=2)

    message = await theirs(client)
    sampling = Sampling(stop_sequences=("§",))
    asked = dataclasses.replace(chat_request(model=MODEL), sampling=sampling)
    _, done = await ours(fake, asked)

    assert ("stop_sequence", "§") == (message.stop_reason, message.stop_sequence)
    assert message.stop_sequence == done.stop_sequence


async def test_gives_an_answer_whole(fake: FakeAnthropic, client: anthropic.AsyncAnthropic) -> None:
    message = await client.messages.create(model=MODEL, max_tokens=100, messages=QUESTION)

    assert (fake.answer, "end_turn") == (text_of(message), message.stop_reason)


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (400, "invalid_request_error", anthropic.BadRequestError),
        (401, "authentication_error", anthropic.AuthenticationError),
        (403, "permission_error", anthropic.PermissionDeniedError),
        (404, "not_found_error", anthropic.NotFoundError),
        (429, "rate_limit_error", anthropic.RateLimitError),
        (500, "api_error", anthropic.InternalServerError),
        (529, "overloaded_error", anthropic.InternalServerError),
    ],
)
async def test_takes_the_fakes_refusals_for_what_they_are(
    fake: FakeAnthropic,
    client: anthropic.AsyncAnthropic,
    status: int,
    kind: str,
    expected: type[anthropic.APIStatusError],
) -> None:
    fake.will(refuse(status, kind), times=2)

    with pytest.raises(expected) as caught:
        await theirs(client)
    with pytest.raises(ProviderError) as failed:
        await ours(fake)

    assert (status, kind) == (caught.value.status_code, caught.value.type)
    assert (status, kind) == (failed.value.status, failed.value.code)


async def test_raises_an_error_event_as_we_do(
    fake: FakeAnthropic, client: anthropic.AsyncAnthropic
) -> None:
    fake.will(start(), tokens(2), error_event("overloaded_error"), times=2)

    with pytest.raises(anthropic.APIStatusError) as caught:
        await theirs(client)
    with pytest.raises(ProviderError) as failed:
        await ours(fake)

    assert "overloaded_error" == caught.value.type == failed.value.code
    assert ("A03", "stream") == (failed.value.row, failed.value.phase)


async def test_sends_the_same_body_and_headers_as_we(
    fake: FakeAnthropic, client: anthropic.AsyncAnthropic
) -> None:
    asked = ChatRequest(
        model=MODEL,
        messages=(
            Message(role=Role.SYSTEM, parts=("be brief",)),
            Message(role=Role.USER, parts=("hi 🌊",)),
            Message(role=Role.ASSISTANT, parts=("hello",)),
            Message(role=Role.USER, parts=("go", " on")),
        ),
        sampling=Sampling(top_p=0.5, top_k=7, max_output_tokens=100, stop_sequences=("§",)),
        delivery=Delivery.STREAM,
    )
    await ours(fake, asked)
    _ = await client.messages.create(
        model=MODEL,
        max_tokens=100,
        system="be brief",
        messages=[
            {"role": "user", "content": "hi 🌊"},
            {"role": "assistant", "content": "hello"},
            {"role": "user", "content": "go on"},
        ],
        stop_sequences=["§"],
        stream=True,
        # By itself the client speaks a newer version of the protocol, which lacks these two.
        extra_headers={"anthropic-version": VERSION},
        extra_body={"top_p": 0.5, "top_k": 7},
    )
    mine, vendors = fake.chats

    assert vendors.json == mine.json
    assert vendors.headers["anthropic-version"] == mine.headers["anthropic-version"]
    # Either is taken.
    assert KEY == mine.headers["x-api-key"]
    assert f"Bearer {KEY}" == vendors.headers["Authorization"]
