"""Upstreams that are no good: whatever happens on the wire becomes one error of ours, in time."""

import socket
from contextlib import aclosing

import pytest

from llmsvc_server.chat.events import Delta
from llmsvc_server.errors import (
    ProviderError,
)
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.openai.chat import OpenaiProvider
from tests.fakes.fake_openai import FakeOpenai
from tests.fakes.faulty_tcp import FaultyTcp, Mode
from tests.fakes.ollama_steps import End
from tests.fakes.openai_at import openai_at
from tests.fakes.openai_steps import (
    Script,
    body,
    comment,
    done,
    end,
    error_event,
    finish,
    headers,
    page,
    refuse,
    reply,
    role,
    token,
    tokens,
)
from tests.fakes.requests import chat_request, limits_of

MODEL = "llama-3"
PAGE = "<html><body>sign in</body></html>"


async def text_of(provider: OpenaiProvider, model: str = MODEL) -> str:
    async with aclosing(provider.stream_chat(chat_request(model=model), limits_of())) as events:
        return "".join([event.text async for event in events if isinstance(event, Delta)])


async def failure_of(provider: OpenaiProvider, model: str = MODEL) -> ProviderError:
    try:
        await text_of(provider, model)
    except ProviderError as error:
        return error
    raise AssertionError("it answered")


@pytest.mark.parametrize(
    ("script", "expected", "row"),
    [
        pytest.param(page(200, PAGE, "text/html"), ErrorKind.PROTOCOL, "C08", id="page"),
        pytest.param(page(200, "{}", ""), ErrorKind.PROTOCOL, "C08", id="no type"),
        pytest.param(reply([]), ErrorKind.PROTOCOL, "C08", id="a list"),
        pytest.param(reply({"error": {"code": 429}}), ErrorKind.RATE_LIMIT, "P09", id="200, error"),
        pytest.param(
            reply({"error": {"message": "x", "type": "None", "code": "429"}}),
            ErrorKind.RATE_LIMIT,
            "P09",
            id="200, error, code as text",
        ),
        pytest.param(
            error_event("x", type="None", code="429"),
            ErrorKind.RATE_LIMIT,
            "P09",
            id="code as text",
        ),
        pytest.param(
            error_event("x", type="None", code="1301"),
            ErrorKind.TRANSIENT,
            "P11",
            id="unknown code",
        ),
        pytest.param(reply({}), ErrorKind.TRANSIENT, "C07", id="200, nothing"),
        pytest.param(
            page(302, "", extra={"Location": "/x"}), ErrorKind.MISCONFIGURED, "C04", id="302"
        ),
        pytest.param(page(404, "no page"), ErrorKind.MISCONFIGURED, "P04", id="404"),
        pytest.param(page(502, PAGE, "text/html"), ErrorKind.TRANSIENT, "P11", id="502"),
        pytest.param(page(500, "x" * 1_000_000), ErrorKind.TRANSIENT, "P11", id="endless refusal"),
        pytest.param(
            refuse(400, type="exceed_context_size_error", n_ctx=4096),
            ErrorKind.CONTEXT,
            "P02",
            id="context",
        ),
        pytest.param(
            refuse(503, "Loading model", type="unavailable_error", code=503),
            ErrorKind.COLD_LOAD,
            "P10",
            id="loading",
        ),
        pytest.param((headers(), end(End.CLEAN)), ErrorKind.TRANSIENT, "C07", id="empty"),
        pytest.param((headers(), end(End.CUT)), ErrorKind.TRANSIENT, "C07", id="cut after headers"),
        pytest.param((headers(500), end(End.CUT)), ErrorKind.TRANSIENT, "P11", id="cut refusal"),
        pytest.param((role(), end(End.CUT)), ErrorKind.TRANSIENT, "C07", id="cut after the role"),
        pytest.param(
            (tokens(2), end(End.RESET)), ErrorKind.TRANSIENT, "C07", id="reset after text"
        ),
        pytest.param((tokens(2), done()), ErrorKind.TRANSIENT, "C07", id="no reason"),
        pytest.param(
            (tokens(2), error_event("x", code=500), done()), ErrorKind.TRANSIENT, "P11", id="vLLM"
        ),
        pytest.param(
            (comment("PROCESSING"), error_event("x", code=429)),
            ErrorKind.RATE_LIMIT,
            "P09",
            id="OpenRouter",
        ),
        pytest.param(
            (tokens(2), finish(), error_event("x", type="server_error")),
            ErrorKind.TRANSIENT,
            "P11",
            id="error behind the reason",
        ),
        pytest.param((body(b"data: <html>\n\n"),), ErrorKind.PROTOCOL, "C08", id="no JSON"),
        pytest.param(
            (headers(content_type="application/json"), body(b'{"cho'), end(End.CUT)),
            ErrorKind.TRANSIENT,
            "C07",
            id="cut body",
        ),
        pytest.param(end(End.CUT), ErrorKind.CONNECT, "C03", id="closes unanswered"),
        pytest.param(end(End.RESET), ErrorKind.CONNECT, "C03", id="resets unanswered"),
    ],
)
async def test_becomes_one_error_of_ours(script: Script, expected: ErrorKind, row: str) -> None:
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        fake.will(script)

        failure = await failure_of(provider)

        assert (expected, row, MODEL) == (failure.kind, failure.row, failure.model)
        assert failure.called
        assert 1 == len(fake.chats)


async def test_says_how_far_the_answer_had_come() -> None:
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        fake.will(role(), end(End.CUT))
        fake.will(role(), token("a"), end(End.CUT))

        assert "first_token" == (await failure_of(provider)).phase
        assert "stream" == (await failure_of(provider)).phase


async def test_keeps_the_wait_that_is_asked_for() -> None:
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        fake.will(refuse(429, extra={"retry-after-ms": "1500"}))

        assert 1.5 == (await failure_of(provider)).retry_after_s


async def test_is_told_of_a_missing_model() -> None:
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        failure = await failure_of(provider, "another")

        assert (ErrorKind.MODEL_MISSING, "model_not_found") == (failure.kind, failure.code)


async def test_sends_nothing_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with openai_at(f"http://127.0.0.1:{port}/v1") as provider:
        failure = await failure_of(provider)

        assert ("C03", False) == (failure.row, failure.called)


async def test_replaces_a_kept_connection_that_dies_before_any_byte() -> None:
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        await text_of(provider)
        fake.will(end(End.CUT))

        text = await text_of(provider)

        assert fake.answer == text
        assert [False, True, False] == [chat.reused for chat in fake.chats]


async def test_understands_an_answer_that_comes_byte_by_byte() -> None:
    async with (
        FakeOpenai(models=(MODEL,)) as fake,
        FaultyTcp(Mode.BYTE_BY_BYTE, target_port=fake.port) as tcp,
        openai_at(f"{tcp.base_url}/v1") as provider,
    ):
        assert fake.answer == await text_of(provider)


@pytest.mark.parametrize(
    ("mode", "expected", "row"),
    [
        (Mode.CLOSE, ErrorKind.CONNECT, "C03"),
        (Mode.RESET, ErrorKind.CONNECT, "C03"),
        (Mode.NOT_HTTP, ErrorKind.PROTOCOL, "C08"),
    ],
)
async def test_makes_an_error_of_ours_of_a_server_that_is_none(
    mode: Mode, expected: ErrorKind, row: str
) -> None:
    async with FaultyTcp(mode) as tcp, openai_at(f"{tcp.base_url}/v1") as provider:
        failure = await failure_of(provider)

        assert (expected, row) == (failure.kind, failure.row)


@pytest.mark.parametrize("name", ["gpt-oss:120b-cloud", "kimi:cloud", "a:local:cloud"])
async def test_asks_no_local_server_for_a_model_of_a_cloud(name: str) -> None:
    async with FakeOpenai(models=(name,)) as fake, openai_at(fake.base_url) as provider:
        failure = await failure_of(provider, name)

        assert (ErrorKind.REMOTE_REFUSED, False) == (failure.kind, failure.called)
        assert [] == fake.exchanges


async def test_connects_a_local_provider_to_no_address_outside() -> None:
    async with openai_at("http://203.0.113.7:9/v1") as provider:
        failure = await failure_of(provider)

        assert (ErrorKind.REMOTE_REFUSED, False) == (failure.kind, failure.called)


async def test_aborts_an_answer_that_comes_from_elsewhere() -> None:
    async with FakeOpenai(models=(MODEL,)) as fake, openai_at(fake.base_url) as provider:
        fake.will(token("a", remote_model="gpt"), end(End.HANG))

        assert (await failure_of(provider)).kind is ErrorKind.VIOLATION
        await fake.client_gone()
