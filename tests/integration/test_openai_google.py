"""Errors as Google's OpenAI-compatible route words them: in a list, with details."""

from contextlib import aclosing

import pytest

from llmsvc_server.chat.route import Locality
from llmsvc_server.errors import (
    ProviderError,
)
from llmsvc_server.failures import ErrorKind
from tests.fakes.fake_openai import FakeOpenai
from tests.fakes.openai_at import openai_at
from tests.fakes.openai_steps import Step, event, reply
from tests.fakes.requests import chat_request, limits_of

MODEL = "gemini-3-flash"


def error(code: int, status: str, *details: object) -> object:
    return [{"error": {"code": code, "message": "m", "status": status, "details": [*details]}}]


def delay(text: object) -> object:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": text}


def info(reason: object) -> object:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}


async def failure(step: Step) -> ProviderError:
    async with (
        FakeOpenai(models=(MODEL,)) as fake,
        openai_at(fake.base_url, locality=Locality.REMOTE) as provider,
    ):
        fake.will(step)
        events = provider.stream_chat(chat_request(model=MODEL), limits_of())
        async with aclosing(events):
            with pytest.raises(ProviderError) as caught:
                await anext(events)
    return caught.value


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [("27s", 27.0), ("0.5s", 0.5), ("27", None), ("-1s", None), (27, None), (None, None)],
)
async def test_the_wait_in_the_body_is_read(text: object, wait_s: float | None) -> None:
    limited = await failure(reply(error(429, "RESOURCE_EXHAUSTED", "odd", delay(text)), 429))

    assert limited.kind is ErrorKind.RATE_LIMIT
    assert wait_s == limited.retry_after_s


async def test_a_refused_key_is_our_credential() -> None:
    refused = await failure(reply(error(400, "INVALID_ARGUMENT", info("API_KEY_INVALID")), 400))

    assert refused.kind is ErrorKind.CREDENTIAL


@pytest.mark.parametrize("reason", ["SOMETHING_ELSE", "some words", 5, None])
async def test_another_refusal_stays_the_callers(reason: object) -> None:
    refused = await failure(reply(error(400, "INVALID_ARGUMENT", info(reason)), 400))

    assert refused.kind is ErrorKind.CALLER


async def test_an_error_inside_an_answer_is_read_likewise() -> None:
    limited = await failure(
        event({"error": {"code": 429, "message": "m", "details": [delay("3s")]}})
    )

    assert limited.kind is ErrorKind.RATE_LIMIT
    assert 3.0 == limited.retry_after_s


@pytest.mark.parametrize("document", [[], [5], [[]]])
async def test_a_list_without_an_error_is_a_plain_refusal(document: object) -> None:
    assert (await failure(reply(document, 400))).kind is ErrorKind.CALLER
