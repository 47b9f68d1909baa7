"""Upstreams that are no good: whatever happens on the wire becomes one error of ours."""

from contextlib import aclosing

import pytest

from llmsvc_server.chat.events import ChatEvents, Delta
from llmsvc_server.errors import (
    ProviderError,
)
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.anthropic.chat import AnthropicProvider
from tests.fakes.anthropic_adapter import MODEL, anthropic_at
from tests.fakes.anthropic_stage import error_of
from tests.fakes.anthropic_steps import (
    Script,
    body,
    end,
    error_event,
    headers,
    message_delta,
    page,
    refuse,
    reply,
    start,
    token,
    tokens,
)
from tests.fakes.fake_anthropic import FakeAnthropic
from tests.fakes.faulty_tcp import FaultyTcp, Mode
from tests.fakes.ollama_steps import End
from tests.fakes.requests import chat_request, limits_of

PAGE = "<html><body>sign in</body></html>"
CANARY = "canary-5d1f"
SPENT = {"error_code": "enforced_spend_limit_reached"}
OVERFLOW = "litellm.BadRequestError: OpenAIException - Input is too long for requested model."


def started(provider: AnthropicProvider, text: str = "hi") -> ChatEvents:
    return provider.stream_chat(chat_request(text, model=MODEL), limits_of())


async def failure_of(provider: AnthropicProvider, text: str = "hi") -> tuple[str, ProviderError]:
    """Return the text that came and the error after it."""
    said = ""
    try:
        async with aclosing(started(provider, text)) as events:
            async for event in events:
                assert isinstance(event, Delta)
                said += event.text
    except ProviderError as error:
        return said, error
    raise AssertionError("it answered")


@pytest.mark.parametrize(
    ("script", "expected", "row"),
    [
        pytest.param(page(200, PAGE, "text/html"), ErrorKind.PROTOCOL, "C08", id="page"),
        pytest.param(page(200, "{}", ""), ErrorKind.PROTOCOL, "C08", id="no type"),
        pytest.param(
            page(302, "", extra={"Location": "/v1/x"}), ErrorKind.MISCONFIGURED, "C04", id="302"
        ),
        pytest.param(
            refuse(429, "rate_limit_error", details=SPENT), ErrorKind.QUOTA, "A01", id="spent"
        ),
        pytest.param(refuse(402, "billing_error"), ErrorKind.QUOTA, "A01", id="402"),
        pytest.param(refuse(429, "rate_limit_error"), ErrorKind.RATE_LIMIT, "A02", id="429"),
        pytest.param(refuse(529, "overloaded_error"), ErrorKind.TRANSIENT, "A03", id="529"),
        pytest.param(page(502, PAGE, "text/html"), ErrorKind.TRANSIENT, "A03", id="502"),
        pytest.param(page(500, "x" * 1_000_000), ErrorKind.TRANSIENT, "A03", id="endless refusal"),
        pytest.param(refuse(403, "permission_error"), ErrorKind.CREDENTIAL, "A04", id="403"),
        pytest.param(page(404, "no"), ErrorKind.MISCONFIGURED, "A05", id="404"),
        pytest.param(refuse(413, "request_too_large"), ErrorKind.CONTEXT, "A06", id="413"),
        pytest.param(refuse(400, "invalid_request_error"), ErrorKind.CALLER, "A07", id="400"),
        pytest.param(page(299, PAGE), ErrorKind.PROTOCOL, "", id="299"),
        pytest.param(
            reply(error_of("overloaded_error", "x")), ErrorKind.TRANSIENT, "A03", id="error, whole"
        ),
        pytest.param(error_event("api_error"), ErrorKind.TRANSIENT, "A03", id="error event"),
        pytest.param(error_event("new_error"), ErrorKind.TRANSIENT, "A03", id="unknown error"),
        pytest.param(
            error_event("None", code="429"), ErrorKind.RATE_LIMIT, "A02", id="a proxy's code"
        ),
        pytest.param(
            body(b'data: {"error":{"message":"x","type":"None","code":"429"}}\n\n'),
            ErrorKind.RATE_LIMIT,
            "A02",
            id="a proxy's code, no name",
        ),
        pytest.param(
            reply({"error": {"message": "x", "type": "None", "code": "429"}}),
            ErrorKind.RATE_LIMIT,
            "A02",
            id="a proxy's code, whole",
        ),
        pytest.param(
            error_event("None", OVERFLOW), ErrorKind.CONTEXT, "A06", id="a proxy's overflow"
        ),
        pytest.param(
            refuse(500, "api_error", OVERFLOW), ErrorKind.CONTEXT, "A06", id="overflow, 500"
        ),
        pytest.param((headers(), end(End.CLEAN)), ErrorKind.TRANSIENT, "C07", id="empty"),
        pytest.param((headers(), end(End.CUT)), ErrorKind.TRANSIENT, "C07", id="cut after headers"),
        pytest.param((headers(500), end(End.CUT)), ErrorKind.TRANSIENT, "A03", id="cut refusal"),
        pytest.param(
            (body(b"data: <html>\n\n"), end(End.HANG)), ErrorKind.PROTOCOL, "C08", id="html"
        ),
        pytest.param(end(End.CUT), ErrorKind.CONNECT, "C03", id="closes unanswered"),
        pytest.param(end(End.RESET), ErrorKind.CONNECT, "C03", id="resets unanswered"),
    ],
)
async def test_each_fault_has_its_class(script: Script, expected: ErrorKind, row: str) -> None:
    async with FakeAnthropic(models=(MODEL,)) as fake, anthropic_at(fake.base_url) as provider:
        fake.will(script)

        _, error = await failure_of(provider)

        assert (expected, row, MODEL, True) == (error.kind, error.row, error.model, error.called)
        # Nothing was asked again, and a redirect was not followed.
        assert 1 == len(fake.exchanges)


@pytest.mark.parametrize(
    ("mode", "expected", "phase"),
    [
        (Mode.CLOSE, ErrorKind.CONNECT, "first_token"),
        (Mode.RESET, ErrorKind.CONNECT, "first_token"),
        (Mode.NOT_HTTP, ErrorKind.PROTOCOL, "first_token"),
    ],
)
async def test_a_listener_that_is_no_server_has_its_class(
    mode: Mode, expected: ErrorKind, phase: str
) -> None:
    async with FaultyTcp(mode) as tcp, anthropic_at(tcp.base_url) as provider:
        _, error = await failure_of(provider)

    assert (expected, phase) == (error.kind, error.phase)


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:1", "http://no-such-host.invalid"])
async def test_what_cannot_be_connected_to_was_not_called(base_url: str) -> None:
    async with anthropic_at(base_url) as provider:
        _, error = await failure_of(provider)

    assert (ErrorKind.CONNECT, "connect", False) == (error.kind, error.phase, error.called)


@pytest.mark.parametrize("how", [End.CLEAN, End.CUT, End.RESET])
@pytest.mark.parametrize(
    ("before", "phase"), [((start(),), "first_token"), ((start(), token("a")), "stream")]
)
async def test_an_end_without_a_stop_reason_is_a_failure(
    how: End, before: Script, phase: str
) -> None:
    async with FakeAnthropic(models=(MODEL,)) as fake, anthropic_at(fake.base_url) as provider:
        fake.will(before, end(how))

        _, error = await failure_of(provider)

    assert (ErrorKind.TRANSIENT, "C07") == (error.kind, error.row)
    assert how is End.RESET or phase == error.phase  # a reset may overtake what was sent


async def test_an_error_event_after_text_is_told_after_the_text() -> None:
    async with FakeAnthropic(models=(MODEL,)) as fake, anthropic_at(fake.base_url) as provider:
        fake.will(start(), tokens(3), error_event("overloaded_error"))

        text, error = await failure_of(provider)

    assert ("t1 t2 t3", "A03", "stream", "overloaded_error") == (
        text,
        error.row,
        error.phase,
        error.code,
    )


async def test_an_error_event_after_the_stop_reason_is_a_failure() -> None:
    async with FakeAnthropic(models=(MODEL,)) as fake, anthropic_at(fake.base_url) as provider:
        fake.will(start(), token("a"), message_delta(), error_event("api_error"))

        text, error = await failure_of(provider)

    assert ("a", "A03", "stream") == (text, error.row, error.phase)


async def test_a_limited_rate_says_when_to_come_back() -> None:
    async with FakeAnthropic(models=(MODEL,)) as fake, anthropic_at(fake.base_url) as provider:
        fake.will(refuse(429, "rate_limit_error", extra={"Retry-After": "7"}))

        _, error = await failure_of(provider)

    assert (ErrorKind.RATE_LIMIT, 7.0) == (error.kind, error.retry_after_s)


@pytest.mark.parametrize(
    "script",
    [
        refuse(400, CANARY, CANARY, extra={"X-Canary": CANARY}, details={"error_code": CANARY}),
        refuse(400, "invalid_request_error", f"messages.0: {CANARY}"),
        page(500, CANARY, "text/html"),
        (start(), error_event("api_error", CANARY)),
        (start(), error_event(CANARY)),
        (start(), body(f"data: {CANARY}\n\n".encode())),
        (start(), token(CANARY), end(End.CUT)),
    ],
)
async def test_neither_prompt_nor_key_nor_a_word_of_the_upstream_is_in_an_error(
    script: Script,
) -> None:
    async with (
        FakeAnthropic(models=(MODEL,), api_key=CANARY) as fake,
        anthropic_at(fake.base_url, api_key=CANARY) as provider,
    ):
        fake.will(script)

        _, error = await failure_of(provider, CANARY)

    told = f"{error} {error!r} {vars(error)} {error.__cause__!r} {provider!r} {provider.info!r}"
    assert CANARY not in told
