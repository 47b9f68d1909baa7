"""Refusals: the vendor's client reads the fake's, and sends its own back as we do."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import openai
import pytest
from openai.types.chat import ChatCompletionAssistantMessageParam

from llmsvc_server.chat.parts import Part, Refusal
from llmsvc_server.chat.request import Message, Role
from llmsvc_server.chat.route import Locality
from llmsvc_server.chat.usage import FinishReason
from llmsvc_server.providers.openai.chat import OpenaiProvider
from tests.fakes.fake_openai import FakeOpenai
from tests.fakes.openai_at import openai_at
from tests.fakes.openai_steps import done, finish, piece, reply, usage
from tests.fakes.requests import chat_request
from tests.fakes.whole_answers import answer_of

MODEL = "gpt-4o-mini"
WORDS = "I can't do that."
NO = Refusal(text=WORDS)
QUESTION = Message(role=Role.USER, parts=("hi",))


@pytest.fixture
async def fake() -> AsyncIterator[FakeOpenai]:
    """A server that refuses as the vendor does."""
    async with FakeOpenai(models=(MODEL,), is_openai=True) as server:
        yield server


@pytest.fixture
async def theirs(fake: FakeOpenai) -> AsyncIterator[openai.AsyncOpenAI]:
    """The vendor's client, which asks once."""
    async with openai.AsyncOpenAI(base_url=fake.base_url, api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
async def ours(fake: FakeOpenai) -> AsyncIterator[OpenaiProvider]:
    """The adapter, as for the vendor's own service."""
    async with openai_at(fake.base_url, locality=Locality.REMOTE, is_openai=True) as provider:
        yield provider


async def asked_by_us(
    provider: OpenaiProvider, *messages: Message
) -> tuple[tuple[Part, ...], FinishReason]:
    """Return what the adapter reads."""
    request = chat_request(model=MODEL)
    if messages:
        request = replace(request, messages=messages, is_plain=False)
    parts, done = await answer_of(provider, request)
    return parts, done.finish_reason


async def test_a_streamed_one_is_read_as_the_vendors_client_reads_it(
    fake: FakeOpenai, theirs: openai.AsyncOpenAI, ours: OpenaiProvider
) -> None:
    steps = (piece({"refusal": WORDS[:6]}), piece({"refusal": WORDS[6:]}))
    fake.will(*steps, finish("stop"), usage(), done(), times=2)
    stream = await theirs.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "hi"}], stream=True
    )
    words = [one.delta.refusal or "" async for chunk in stream for one in chunk.choices]

    assert WORDS == "".join(words)
    assert ((NO,), FinishReason.REFUSAL) == await asked_by_us(ours)


async def test_a_whole_one_too(
    fake: FakeOpenai, theirs: openai.AsyncOpenAI, ours: OpenaiProvider
) -> None:
    message = {"role": "assistant", "content": None, "refusal": WORDS}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    whole = reply({"id": "x", "object": "chat.completion", "choices": [choice]})
    fake.will(whole, times=2)
    told = await theirs.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "hi"}]
    )

    assert (None, WORDS) == (told.choices[0].message.content, told.choices[0].message.refusal)
    assert ((NO,), FinishReason.REFUSAL) == await asked_by_us(ours)


ALONE: ChatCompletionAssistantMessageParam = {
    "role": "assistant",
    "content": [{"type": "refusal", "refusal": WORDS}],
}
BESIDE: ChatCompletionAssistantMessageParam = {
    "role": "assistant",
    "content": "Well.",
    "refusal": WORDS,
}


@pytest.mark.parametrize(
    ("parts", "turn"), [((NO,), ALONE), (("Well.", NO), BESIDE)], ids=["alone", "beside a text"]
)
async def test_goes_back_as_the_vendors_client_types_it(
    fake: FakeOpenai,
    theirs: openai.AsyncOpenAI,
    ours: OpenaiProvider,
    parts: tuple[Part, ...],
    turn: ChatCompletionAssistantMessageParam,
) -> None:
    question, rest = {"role": "user", "content": "hi"}, {"role": "user", "content": "Why?"}
    await theirs.chat.completions.create(
        model=MODEL,
        messages=[
            {"role": "user", "content": "hi"},
            turn,
            {"role": "user", "content": "Why?"},
        ],
    )
    said = Message(role=Role.ASSISTANT, parts=parts)
    await asked_by_us(ours, QUESTION, said, Message(role=Role.USER, parts=("Why?",)))
    first, second = (json.loads(chat.body)["messages"] for chat in fake.chats)

    assert [question, turn, rest] == first == second
