"""The vendor's own client as an oracle.

What it accepts from the fake, our adapter reads the same; what it sends, we send in other words.
"""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing

import openai
import pytest
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionMessageParam

from llmsvc_server.chat.events import Delta, Done
from llmsvc_server.chat.request import ChatRequest, Delivery, Message, Role, Sampling
from llmsvc_server.chat.route import Locality
from llmsvc_server.chat.usage import Usage
from llmsvc_server.errors import ProviderError
from llmsvc_server.providers.openai.chat import OpenaiProvider
from tests.fakes.fake_openai import FakeOpenai
from tests.fakes.openai_at import openai_at
from tests.fakes.openai_steps import (
    Script,
    answer,
    comment,
    done,
    error_event,
    finish,
    page,
    piece,
    refuse,
    role,
    tokens,
    usage,
)
from tests.fakes.requests import limits_of

MODEL = "gpt-4o"
KEY = "sk-of-a-test"
QUESTION: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "hi \u4f60"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "Go on."},
]
SAMPLING = Sampling(
    temperature=0.5,
    top_p=0.9,
    frequency_penalty=0.25,
    presence_penalty=-0.5,
    seed=7,
    stop_sequences=("END",),
    max_output_tokens=64,
)
REQUEST = ChatRequest(
    model=MODEL,
    messages=(
        Message(role=Role.SYSTEM, parts=("Be brief.",)),
        Message(role=Role.USER, parts=("hi ", "\u4f60")),
        Message(role=Role.ASSISTANT, parts=("Hello.",)),
        Message(role=Role.USER, parts=("Go on.",)),
    ),
    sampling=SAMPLING,
    delivery=Delivery.STREAM,
)


@pytest.fixture
async def fake() -> AsyncIterator[FakeOpenai]:
    """A server that wants a key."""
    async with FakeOpenai(models=(MODEL,), api_key=KEY) as server:
        yield server


@pytest.fixture
async def theirs(fake: FakeOpenai) -> AsyncIterator[openai.AsyncOpenAI]:
    """The vendor's client, which asks once."""
    async with openai.AsyncOpenAI(base_url=fake.base_url, api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
async def ours(fake: FakeOpenai) -> AsyncIterator[OpenaiProvider]:
    """The adapter, as for the vendor's own service."""
    async with openai_at(
        fake.base_url,
        api_key=KEY,
        locality=Locality.REMOTE,
        token_limit_field="max_completion_tokens",  # noqa: S106  tokens of text
        is_openai=True,
    ) as provider:
        yield provider


async def asked_by_them(client: openai.AsyncOpenAI) -> tuple[str, str, CompletionUsage | None]:
    """Return text, finish reason and usage as the vendor's client reads them."""
    text, reason, counts = "", "", None
    stream = await client.chat.completions.create(
        model=MODEL,
        messages=QUESTION,
        stream=True,
        stream_options={"include_usage": True},
        store=False,
        temperature=0.5,
        top_p=0.9,
        frequency_penalty=0.25,
        presence_penalty=-0.5,
        seed=7,
        stop=["END"],
        max_completion_tokens=64,
    )
    async for chunk in stream:
        counts = chunk.usage or counts
        for choice in chunk.choices:
            text += choice.delta.content or choice.delta.refusal or ""
            reason = choice.finish_reason or reason
    return text, reason, counts


async def asked_by_us(provider: OpenaiProvider) -> tuple[str, str, Usage]:
    """Return the same as the adapter reads them."""
    async with aclosing(provider.stream_chat(REQUEST, limits_of())) as events:
        *deltas, last = [event async for event in events]
    assert isinstance(last, Done)
    text = "".join(one.text for one in deltas if isinstance(one, Delta))
    return text, last.provider_finish_reason, last.usage


async def test_sends_what_the_vendors_client_sends(
    fake: FakeOpenai, theirs: openai.AsyncOpenAI, ours: OpenaiProvider
) -> None:
    await asked_by_them(theirs)
    await asked_by_us(ours)

    [first, second] = fake.chats
    assert (first.method, first.path) == (second.method, second.path)
    assert json.loads(first.body) == json.loads(second.body)
    assert first.headers["Authorization"] == second.headers["Authorization"]
    assert first.headers["Content-Type"] == second.headers["Content-Type"]


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(answer("An answer in several pieces."), id="ordinary"),
        pytest.param(answer("Cut sh", reason="length"), id="too long"),
        pytest.param((comment("PROCESSING"), answer("a b")), id="comment"),
        pytest.param(
            (piece({"refusal": "I can't."}), finish("stop"), usage(), done()), id="refusal"
        ),
        pytest.param((role(), finish(), usage(), done()), id="nothing"),
        pytest.param((tokens("\u4f60\u597d \U0001f44b"), finish(), usage(), done()), id="signs"),
    ],
)
async def test_reads_what_the_vendors_client_reads(
    fake: FakeOpenai, theirs: openai.AsyncOpenAI, ours: OpenaiProvider, script: Script
) -> None:
    fake.will(script, times=2)

    text, reason, counts = await asked_by_them(theirs)

    assert counts is not None
    expected = Usage(input_tokens=counts.prompt_tokens, output_tokens=counts.completion_tokens)
    assert (text, reason, expected) == await asked_by_us(ours)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param(
            refuse(401, "no", code="invalid_api_key"), openai.AuthenticationError, id="401"
        ),
        pytest.param(refuse(429, "no", code="slow_down"), openai.RateLimitError, id="429"),
        pytest.param(refuse(400, "no"), openai.BadRequestError, id="400"),
        pytest.param(page(502, "<html>", "text/html"), openai.InternalServerError, id="502"),
        pytest.param(
            (tokens(2), error_event("no", type="server_error")), openai.APIError, id="event"
        ),
        pytest.param(
            (tokens(2), error_event("no", code=500), done()), openai.APIError, id="event, end"
        ),
        pytest.param(
            (tokens(2), finish(), error_event("no", code=429)), openai.APIError, id="event last"
        ),
    ],
)
async def test_fails_where_the_vendors_client_fails(
    fake: FakeOpenai,
    theirs: openai.AsyncOpenAI,
    ours: OpenaiProvider,
    script: Script,
    expected: type[openai.APIError],
) -> None:
    fake.will(script, times=2)

    with pytest.raises(expected):
        await asked_by_them(theirs)
    with pytest.raises(ProviderError):
        await asked_by_us(ours)


async def test_lists_the_models_that_the_vendors_client_lists(
    theirs: openai.AsyncOpenAI, ours: OpenaiProvider
) -> None:
    listed = [model.id async for model in await theirs.models.list()]

    assert listed == list((await ours.catalogue()).models)
