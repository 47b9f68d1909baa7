"""Servers that refuse how they are asked: once, and not again."""

import dataclasses
from contextlib import aclosing

import pytest

from llmsvc_server.chat.adjustment import Action
from llmsvc_server.chat.events import Done
from llmsvc_server.chat.request import ChatRequest, Message, Role, Sampling
from llmsvc_server.chat.route import Locality
from llmsvc_server.errors import (
    ProviderError,
)
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.openai.chat import OpenaiProvider
from tests.fakes.fake_openai import FakeOpenai
from tests.fakes.ollama_steps import End
from tests.fakes.openai_at import openai_at
from tests.fakes.openai_steps import Step, end, page, refuse, reply
from tests.fakes.requests import chat_request, limits_of

MODEL = "llama-3"
WINDOWS = {
    "'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's maximum context"
    " length is 4096 tokens and your request has 30 input tokens (8192 > 4096 - 30).": 4066,
    "This model's maximum context length is 4096 tokens. However, you requested 8222 tokens (30 in"
    " the messages, 8192 in the completion). Please reduce the length of the messages.": 4066,
    "This model's maximum context length is 4096 tokens. However, your request has 30 input tokens"
    " plus 8192 'max_tokens'. Please reduce one or the other.": 4066,
    "This endpoint's maximum context length is 4096 tokens. However, you requested about 8222"
    " tokens (30 of text input, 8192 in the output).": 4066,
    "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested"
    " a total of 8222 tokens: 30 tokens from the input messages and 8192 tokens for the"
    " completion.": 4066,
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 30 `inputs`"
    " tokens and 8192 `max_new_tokens`": 4066,
    "Please reduce the length of the messages or completion. Current length is 8222 while limit is"
    " 4096": 4066,
    "max_tokens is too large: 8192. This model supports at most 4096 completion tokens, whereas"
    " you provided 8192.": 4096,
    "Invalid max_tokens value, the valid range of max_tokens is [1, 4096]": 4096,
    "<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 4096]": 4096,
    "field MaxTokens invalid, should be in [1, 4096]": 4096,
    "`max_completion_tokens` must be less than or equal to `4096`, the maximum value": 4096,
    "The parameter `max_tokens` specified in the request are not valid: integer above maximum"
    " value, expected a value <= 4096, but got 8192 instead.": 4096,
    "litellm.BadRequestError: AnthropicException - max_tokens: 8192 > 4096, which is the maximum"
    " allowed number of output tokens for claude-3-haiku-20240307": 4096,
    "The maximum tokens you requested exceeds the model limit of 4096. Try again.": 4096,
}
"""Refusals of 8192 tokens with a prompt of 30, and what they leave."""

AT_LEAST = (
    "This model's maximum context length is 4096 tokens. However, you requested 8192 output tokens"
    " and your prompt contains at least 30 input tokens, for a total of at least 8222 tokens."
)


async def run(provider: OpenaiProvider, asked: ChatRequest | None = None) -> Done:
    events = provider.stream_chat(asked or chat_request(model=MODEL), limits_of())
    async with aclosing(events):
        *_, done = [event async for event in events]
    assert isinstance(done, Done)
    return done


def limited(tokens: int) -> ChatRequest:
    return dataclasses.replace(
        chat_request(model=MODEL), sampling=Sampling(max_output_tokens=tokens)
    )


async def test_nobodys_limit_is_none() -> None:
    async with (
        FakeOpenai(models=(MODEL,)) as fake,
        openai_at(fake.base_url, max_output_tokens=None) as provider,
    ):
        await run(provider)

        assert not {"max_tokens", "max_completion_tokens"} & fake.chats[0].json.keys()


@pytest.mark.parametrize("locality", Locality)
@pytest.mark.parametrize(("refusal", "left"), WINDOWS.items())
async def test_asks_once_more_for_what_is_left(refusal: str, left: int, locality: Locality) -> None:
    async with (
        FakeOpenai(models=(MODEL,)) as fake,
        openai_at(fake.base_url, locality=locality) as provider,
    ):
        fake.will(refuse(400, refusal, type="BadRequestError", code=400))
        done = await run(provider)

        assert [8192, left] == [chat.json["max_tokens"] for chat in fake.chats]
        assert () == done.adjustments


async def test_a_limit_that_was_learnt_is_asked_for_at_once() -> None:
    async with FakeOpenai(models=(MODEL, "other")) as fake, openai_at(fake.base_url) as provider:
        fake.will(refuse(400, next(iter(WINDOWS))))
        await run(provider)
        await run(provider)
        await run(provider, chat_request(model="other"))

        asked = [int(str(chat.json["max_tokens"])) for chat in fake.chats]

    assert [8192, 4066] == asked[:2]
    assert 4_000 < asked[2] <= 4_066
    assert 8192 == asked[3]


async def test_a_window_in_the_configuration_is_fitted_before_anybody_refuses() -> None:
    async with (
        FakeOpenai(models=(MODEL,)) as fake,
        openai_at(fake.base_url, window_tokens=4_096) as provider,
    ):
        await run(provider)
        small = await run(provider, limited(4_000))

        asked = [int(str(chat.json["max_tokens"])) for chat in fake.chats]

    assert 4_000 < asked[0] < 4_096
    assert (4_000, ()) == (asked[1], small.adjustments)


async def test_a_prompt_whose_length_is_not_told_leaves_the_limit_out() -> None:
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        fake.will(refuse(400, AT_LEAST))
        done = await run(provider, limited(5_000))

        assert "max_tokens" not in fake.chats[1].json
        assert [Action.CLAMPED] == [one.action for one in done.adjustments]


@pytest.mark.parametrize(
    "refusal",
    [
        (
            "This model's maximum context length is 4096 tokens. However, you requested 13192"
            " tokens (5000 in the messages, 8192 in the completion)."
        ),
        "This model's maximum context length is 4096 tokens and your request has 4096 input tokens",
    ],
)
async def test_where_nothing_is_left_the_prompt_is_too_long(refusal: str) -> None:
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        fake.will(refuse(400, refusal))
        with pytest.raises(ProviderError, match=ErrorKind.CONTEXT) as caught:
            await run(provider)

        assert (1, 1) == (caught.value.requests, len(fake.chats))


async def test_a_second_refusal_is_the_last_and_both_are_counted() -> None:
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        fake.will(refuse(400, next(iter(WINDOWS))), times=3)
        with pytest.raises(ProviderError, match=ErrorKind.CONTEXT) as caught:
            await run(provider)

        assert (2, 2) == (caught.value.requests, len(fake.chats))


@pytest.mark.parametrize("how", [End.RESET, End.CUT])
async def test_a_second_try_that_is_lost_is_counted(how: End) -> None:
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        fake.will(refuse(400, next(iter(WINDOWS))))
        fake.will(end(how))
        with pytest.raises(ProviderError) as caught:
            await run(provider)

        assert caught.value.kind is ErrorKind.CONNECT
        assert (2, 2) == (caught.value.requests, len(fake.chats))


async def test_where_no_request_is_left_the_refusal_stands() -> None:
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        fake.will(refuse(400, next(iter(WINDOWS))))
        limits = dataclasses.replace(limits_of(), may_repeat=False)
        with pytest.raises(ProviderError, match=ErrorKind.CONTEXT):
            async with aclosing(provider.stream_chat(chat_request(model=MODEL), limits)) as events:
                await anext(events)

        assert 1 == len(fake.chats)


EXTRA = {"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs"}


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(
    "document",
    [
        {"detail": [EXTRA]},
        {"object": "error", "message": {"detail": [EXTRA]}, "type": "invalid_request_error"},
        {"error": {"message": "Extra inputs are not permitted, field: 'stream_options'"}},
        {"error": {"message": "Unknown parameter: 'stream_options'.", "code": "unknown_parameter"}},
        {"error": {"message": "Unrecognized request argument supplied: stream_options"}},
        {"detail": "Extra parameters ['stream_options'] are not allowed"},
        {"error": {"message": "Validation error at #/stream_options: Extra inputs"}},
        {"error": "stream_options is not supported"},
    ],
)
async def test_a_server_that_knows_no_usage_is_not_asked_for_it_again(
    document: object, status: int
) -> None:
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        fake.will(reply(document, status))
        await run(provider)
        await run(provider)

        assert [True, False, False] == ["stream_options" in chat.json for chat in fake.chats]


async def test_usage_is_not_asked_for_where_the_entry_says_so() -> None:
    async with (
        FakeOpenai(models=(MODEL,)) as fake,
        openai_at(fake.base_url, stream_options=False) as provider,
    ):
        done = await run(provider)

        assert "stream_options" not in fake.chats[0].json
        assert done.usage.output_tokens is None


async def test_what_did_not_help_is_not_remembered() -> None:
    """A caller's words in a refusal teach nothing."""
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        fake.will(page(422, "unsupported: stream_options, said the prompt"), times=2)
        with pytest.raises(ProviderError, match=ErrorKind.CALLER):
            await run(provider)
        await run(provider)

        assert [True, False, True] == ["stream_options" in chat.json for chat in fake.chats]


@pytest.mark.parametrize(
    ("used", "wanted", "refusal"),
    [
        (
            "max_tokens",
            "max_completion_tokens",
            refuse(
                400,
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use"
                " 'max_completion_tokens' instead.",
                code="unsupported_parameter",
                param="max_tokens",
            ),
        ),
        (
            "max_completion_tokens",
            "max_tokens",
            reply({"detail": [{**EXTRA, "loc": ["body", "max_completion_tokens"]}]}, 422),
        ),
    ],
)
async def test_a_model_that_knows_another_key_is_asked_by_it(
    used: str, wanted: str, refusal: Step
) -> None:
    async with (
        FakeOpenai(models=(MODEL,)) as fake,
        openai_at(fake.base_url, token_limit_field=used) as provider,
    ):
        fake.will(refusal)
        await run(provider)
        await run(provider)

        keys = [{used, wanted} & chat.json.keys() for chat in fake.chats]

    assert [{used}, {wanted}, {wanted}] == keys


async def test_another_refusal_is_asked_nothing() -> None:
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        fake.will(refuse(400, "'temperature' is not supported", code="unsupported_parameter"))
        with pytest.raises(ProviderError, match=ErrorKind.CAPABILITY):
            await run(provider)

        assert 1 == len(fake.chats)


@pytest.mark.parametrize(
    ("locality", "expected"),
    [
        (Locality.LOCAL, [("user", "a\n\nb"), ("assistant", "c"), ("user", "d\n\ne")]),
        (
            Locality.REMOTE,
            [("user", "a"), ("user", "b"), ("assistant", "c"), ("user", "d"), ("user", "e")],
        ),
    ],
)
async def test_roles_alternate_for_engines_and_nothing_is_blank(
    locality: Locality, expected: list[tuple[str, str]]
) -> None:
    turns = (
        (Role.USER, "a"),
        (Role.ASSISTANT, ""),
        (Role.USER, "b"),
        (Role.ASSISTANT, "c"),
        (Role.USER, "d"),
        (Role.ASSISTANT, " \n"),
        (Role.USER, "e"),
    )
    asked = dataclasses.replace(
        chat_request(model=MODEL),
        messages=tuple(Message(role=role, parts=(text,)) for role, text in turns),
    )
    async with (
        FakeOpenai(models=(MODEL,)) as fake,
        openai_at(fake.base_url, locality=locality) as provider,
    ):
        await run(provider, asked)

        sent = fake.chats[0].json["messages"]

    assert isinstance(sent, list)
    assert expected == [(one["role"], one["content"]) for one in sent]
