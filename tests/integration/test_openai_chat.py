"""What a caller of the adapter gets from a healthy server, and what the server gets of it."""

import asyncio
from contextlib import aclosing

import pytest

from llmsvc_server.chat.events import ChatEvent, Delta, Done
from llmsvc_server.chat.request import ChatRequest, Delivery, Message, Role, Sampling
from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind
from llmsvc_server.chat.usage import FinishReason, Usage
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.openai.chat import OpenaiProvider, key_header
from llmsvc_server.providers.shared.body_tail import TAIL_WAIT_S
from tests.fakes.eventually import eventually
from tests.fakes.fake_openai import FakeOpenai
from tests.fakes.gate import Gate
from tests.fakes.ollama_steps import End
from tests.fakes.openai_at import openai_at
from tests.fakes.openai_stage import Stage
from tests.fakes.openai_steps import (
    done,
    end,
    finish,
    reply,
    role,
    silent,
    token,
    tokens,
    usage,
)
from tests.fakes.requests import chat_request, limits_of
from tests.fakes.stopwatch import Stopwatch

MODEL = "llama-3"
KEY = "sk-Xylophon-4711"
USED = Usage(input_tokens=26, output_tokens=9)


async def run(provider: OpenaiProvider, request: ChatRequest | None = None) -> list[ChatEvent]:
    request = request or chat_request(model=MODEL)
    async with aclosing(provider.stream_chat(request, limits_of())) as events:
        return [event async for event in events]


def told(events: list[ChatEvent]) -> tuple[str, Done]:
    """Return the text and the end of an answer."""
    *deltas, last = events
    assert isinstance(last, Done)
    return "".join(one.text for one in deltas if isinstance(one, Delta)), last


async def test_gives_an_answer_with_its_end() -> None:
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        text, last = told(await run(provider))

        assert fake.answer == text
        assert (FinishReason.STOP, USED) == (last.finish_reason, last.usage)
        assert "chatcmpl-1" == last.provider_response_id


async def test_sends_headers_from_its_list_only() -> None:
    async with (
        FakeOpenai(models=(MODEL,), api_key=KEY) as fake,
        openai_at(fake.base_url, api_key=KEY, locality=Locality.REMOTE) as provider,
    ):
        await run(provider)

        assert {
            "Host": fake.origin.removeprefix("http://"),
            "Authorization": f"Bearer {KEY}",
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            "Accept-Encoding": "identity",
            "User-Agent": "llmsvc/test",
            "Content-Length": str(len(fake.chats[0].body)),
        } == fake.chats[0].headers


async def test_sends_no_credential_where_it_has_none() -> None:
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        await run(provider)

        assert not {"Authorization", "api-key"} & fake.chats[0].headers.keys()


async def test_says_what_it_left_out_or_brought_down() -> None:
    request = ChatRequest(
        model=MODEL,
        messages=(Message(role=Role.USER, parts=("hi",)),),
        sampling=Sampling(top_k=4, max_output_tokens=50),
        delivery=Delivery.WHOLE,
    )
    async with (
        FakeOpenai(models=(MODEL,)) as fake,
        openai_at(
            fake.base_url, locality=Locality.REMOTE, max_output_tokens=20, is_openai=True
        ) as provider,
    ):
        _, last = told(await run(provider, request))

        assert ["generation_config.max_output_tokens", "generation_config.top_k"] == [
            one.field for one in last.adjustments
        ]
        assert (20, False) == (fake.chats[0].json["max_tokens"], fake.chats[0].json["store"])
        assert "top_k" not in fake.chats[0].json


async def test_takes_one_body_instead_of_a_stream() -> None:
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        fake.will(
            reply(
                {
                    "id": "x-1",
                    "choices": [{"message": {"content": "Whole."}, "finish_reason": "stop"}],
                }
            )
        )

        text, last = told(await run(provider))

        assert ("Whole.", "x-1") == (text, last.provider_response_id)


async def test_names_the_answer_as_a_header_does_where_the_body_has_no_name() -> None:
    async def unnamed(stage: Stage) -> None:
        await stage.start(extra={"X-Request-Id": "req-17"})
        await stage.write(b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n')

    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        fake.will(unnamed, done())

        _, last = told(await run(provider))

        assert "req-17" == last.provider_response_id


async def test_gives_text_as_it_comes() -> None:
    gate = Gate()
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        fake.will(role(), token("one"), gate, token(" two"), finish(), done())
        async with aclosing(provider.stream_chat(chat_request(model=MODEL), limits_of())) as events:
            first = await anext(events)
            gate.open()
            rest = [event async for event in events]

        assert (Delta("one"), Delta(" two")) == (first, rest[0])


async def test_serves_the_next_chat_over_the_same_connection() -> None:
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        for _ in range(3):
            await run(provider)

        assert 1 == len(fake.connections)


@pytest.mark.parametrize("loss", [End.CLEAN, End.CUT, End.RESET])
async def test_has_an_answer_once_its_reason_came_however_the_body_ends(loss: End) -> None:
    gate = Gate()
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        fake.will(tokens(2), finish(), gate, end(loss))
        async with aclosing(provider.stream_chat(chat_request(model=MODEL), limits_of())) as events:
            first = await anext(events)
            await gate.reached()
            gate.open()
            text, last = told([first, *[event async for event in events]])

        assert ("t1 t2", Usage()) == (text, last.usage)


async def test_waits_two_seconds_for_what_follows_and_closes() -> None:
    clock = asyncio.get_running_loop().time
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        fake.will(tokens(2), finish(), usage(), silent())
        began_s = clock()

        with Stopwatch() as watch:
            text, last = told(await run(provider))

        assert ("t1 t2", USED) == (text, last.usage)
        assert TAIL_WAIT_S - 0.01 <= clock() - began_s
        assert watch.passed_s < TAIL_WAIT_S + 1
        await eventually(lambda: fake.open_connections == 0)


async def test_closes_the_connection_when_the_caller_leaves() -> None:
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        fake.will(tokens(1), silent())
        async with aclosing(provider.stream_chat(chat_request(model=MODEL), limits_of())) as events:
            await anext(events)

        await fake.client_gone()
        await eventually(lambda: fake.open_connections == 0)


async def test_closes_the_connection_when_it_is_cancelled_in_silence() -> None:
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        fake.will(silent())
        async with asyncio.TaskGroup() as group:
            chat = group.create_task(run(provider))
            await fake.received()
            chat.cancel()

        assert chat.cancelled()
        await fake.client_gone()


async def test_has_its_key_and_the_prompt_in_no_failure() -> None:
    secret = "Glockenspiel-42"  # noqa: S105  a prompt
    async with (
        FakeOpenai(models=(MODEL,), api_key="another") as fake,
        openai_at(fake.base_url, api_key=KEY, locality=Locality.REMOTE) as provider,
    ):
        with pytest.raises(ProviderError) as caught:
            await run(provider, chat_request(secret, model=MODEL))

        assert caught.value.kind is ErrorKind.CREDENTIAL
        shown = f"{caught.value!r} {vars(caught.value)} {provider!r} {vars(provider)}"
        assert KEY not in shown
        assert secret not in shown
        assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("host", "header"),
    [
        ("contoso.openai.azure.com", "api-key"),
        ("contoso.services.ai.azure.com", "api-key"),
        ("azure.com.example.org", "Authorization"),
        ("openai.azure.com.example.org", "Authorization"),
    ],
)
def test_shows_its_key_as_the_host_wants_it(host: str, header: str) -> None:
    assert [header] == list(key_header(f"https://{host}/openai/v1", KEY))


@pytest.mark.parametrize("locality", list(Locality))
async def test_says_who_it_is(locality: Locality) -> None:
    provider = openai_at("http://127.0.0.1:9/v1", locality=locality)

    assert ProviderInfo(name="vllm", kind=ProviderKind.OPENAI, locality=locality) == provider.info
