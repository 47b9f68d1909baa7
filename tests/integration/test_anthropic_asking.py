"""What Anthropic refuses of a request's form: left out, fitted, or told before anything is sent."""

import dataclasses
from contextlib import aclosing

import pytest

from llmsvc_server.chat.adjustment import Action
from llmsvc_server.chat.events import Done
from llmsvc_server.chat.request import ChatRequest, Message, Role, Sampling
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.anthropic.chat import AnthropicProvider
from tests.fakes.anthropic_adapter import MODEL, anthropic_at
from tests.fakes.anthropic_steps import end, page, refuse
from tests.fakes.fake_anthropic import FakeAnthropic
from tests.fakes.ollama_steps import End
from tests.fakes.requests import chat_request, limits_of

SMALLER = (
    "max_tokens: 8192 > 4096, which is the maximum allowed number of output tokens for claude-3"
)
FULL = (
    "input length and `max_tokens` exceed context limit: 196000 + 8192 > 200000, decrease input"
    " length or `max_tokens` and try again"
)
OVERFULL = FULL.replace("196000", "200000")
KIND = "invalid_request_error"


async def run(provider: AnthropicProvider, asked: ChatRequest | None = None) -> Done:
    events = provider.stream_chat(asked or chat_request(model=MODEL), limits_of())
    async with aclosing(events):
        *_, done = [event async for event in events]
    assert isinstance(done, Done)
    return done


def conversation(*turns: tuple[Role, str], stop: tuple[str, ...] = ()) -> ChatRequest:
    return dataclasses.replace(
        chat_request(model=MODEL),
        messages=tuple(Message(role=role, parts=(text,)) for role, text in turns),
        sampling=Sampling(stop_sequences=stop),
    )


@pytest.mark.parametrize(("refusal", "left", "then"), [(SMALLER, 4096, 4096), (FULL, 4000, 8192)])
async def test_asks_once_more_for_what_is_left(refusal: str, left: int, then: int) -> None:
    async with (
        FakeAnthropic(models=(MODEL,)) as fake,
        anthropic_at(fake.base_url) as provider,
    ):
        fake.will(refuse(400, KIND, refusal))
        first = await run(provider)
        limited = dataclasses.replace(
            chat_request(model=MODEL), sampling=Sampling(max_output_tokens=8_192)
        )
        second = await run(provider, limited)

        assert [8192, left, then] == [chat.json["max_tokens"] for chat in fake.chats]
        told = [Action.CLAMPED] if then < 8_192 else []
        assert ((), told) == (first.adjustments, [one.action for one in second.adjustments])


@pytest.mark.parametrize(("refusal", "times", "requests"), [(OVERFULL, 1, 1), (FULL, 2, 2)])
async def test_a_prompt_that_leaves_nothing_is_too_long(
    refusal: str, times: int, requests: int
) -> None:
    async with (
        FakeAnthropic(models=(MODEL,)) as fake,
        anthropic_at(fake.base_url) as provider,
    ):
        fake.will(refuse(400, KIND, refusal), times=times)
        with pytest.raises(ProviderError, match=ErrorKind.CONTEXT) as caught:
            await run(provider)

        assert (requests, requests) == (caught.value.requests, len(fake.chats))


async def test_a_second_try_that_is_lost_is_counted_and_where_none_is_left_there_is_none() -> None:
    async with (
        FakeAnthropic(models=(MODEL,)) as fake,
        anthropic_at(fake.base_url) as provider,
    ):
        fake.will(refuse(400, KIND, SMALLER))
        fake.will(end(End.CUT))
        with pytest.raises(ProviderError) as caught:
            await run(provider)
        assert 2 == caught.value.requests

        fake.will(refuse(400, KIND, SMALLER))
        limits = dataclasses.replace(limits_of(), may_repeat=False)
        events = provider.stream_chat(chat_request(model=MODEL), limits)
        async with aclosing(events):
            with pytest.raises(ProviderError, match=ErrorKind.CALLER):
                await anext(events)

        assert 3 == len(fake.chats)


async def test_a_refusal_that_is_no_json_teaches_nothing() -> None:
    async with (
        FakeAnthropic(models=(MODEL,)) as fake,
        anthropic_at(fake.base_url) as provider,
    ):
        fake.will(page(400, SMALLER))
        with pytest.raises(ProviderError, match=ErrorKind.CALLER):
            await run(provider)

        assert 1 == len(fake.chats)


async def test_blank_turns_are_left_out_and_neighbours_joined() -> None:
    asked = conversation(
        (Role.SYSTEM, " "),
        (Role.USER, "a"),
        (Role.ASSISTANT, ""),
        (Role.USER, "b"),
        (Role.ASSISTANT, "c"),
        (Role.USER, "\n\t\u3000"),
        (Role.ASSISTANT, "d"),
        (Role.USER, "e"),
        (Role.USER, " "),
    )
    async with (
        FakeAnthropic(models=(MODEL,)) as fake,
        anthropic_at(fake.base_url) as provider,
    ):
        await run(provider, asked)

        sent = fake.chats[0].json

    assert "system" not in sent
    assert [("user", "a\n\nb"), ("assistant", "c\n\nd"), ("user", "e\n\n ")] == [
        (one["role"], one["content"])
        for one in sent["messages"]  # type: ignore[attr-defined]
    ]


@pytest.mark.parametrize(
    "turns",
    [
        [(Role.USER, " \n")],
        [(Role.SYSTEM, "Be brief."), (Role.USER, "")],
        [(Role.USER, "a"), (Role.ASSISTANT, "b"), (Role.USER, "\n")],
    ],
)
async def test_a_conversation_that_asks_nothing_is_refused_unsent(
    turns: list[tuple[Role, str]],
) -> None:
    async with (
        FakeAnthropic(models=(MODEL,)) as fake,
        anthropic_at(fake.base_url) as provider,
    ):
        with pytest.raises(ProviderError, match=ErrorKind.CALLER) as caught:
            await run(provider, conversation(*turns))

        assert ("messages", 0, []) == (caught.value.param, caught.value.requests, fake.chats)


@pytest.mark.parametrize(
    ("stop", "sent", "told"),
    [
        (("\n\n",), None, [Action.IGNORED]),
        (("END", " ", "\n"), ["END"], [Action.IGNORED]),
        (("END\n",), ["END\n"], []),
    ],
)
async def test_a_blank_stop_sequence_is_left_out(
    stop: tuple[str, ...], sent: list[str] | None, told: list[Action]
) -> None:
    async with (
        FakeAnthropic(models=(MODEL,)) as fake,
        anthropic_at(fake.base_url) as provider,
    ):
        done = await run(provider, conversation((Role.USER, "hi"), stop=stop))

        assert sent == fake.chats[0].json.get("stop_sequences")
        assert told == [one.action for one in done.adjustments]
