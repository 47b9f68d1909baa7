"""Upstreams that are no good: whatever happens on the wire becomes one error of ours, in time."""

import asyncio
import socket
from contextlib import aclosing

import psutil
import pytest

from llmsvc_server.chat.events import ChatEvents, Delta
from llmsvc_server.errors import (
    ProviderError,
)
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.ollama.chat import OllamaProvider
from tests.conformance.subjects import MODEL, ollama_at
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.faulty_tcp import FaultyTcp, Mode
from tests.fakes.gate import Gate
from tests.fakes.ollama_steps import (
    End,
    Script,
    body,
    end,
    headers,
    line,
    page,
    raw,
)
from tests.fakes.requests import chat_request, limits_of

BEGIN = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)
LINE = b'{"message":{"content":"a"},"done":false}\n'
CHUNK = b"%x\r\n%b\r\n" % (len(LINE), LINE)
PAGE = "<html><body>sign in</body></html>"


def started(provider: OllamaProvider, text: str = "hi") -> ChatEvents:
    return provider.stream_chat(chat_request(text, model=MODEL), limits_of())


async def failure_of(provider: OllamaProvider) -> ProviderError:
    try:
        async with aclosing(started(provider)) as events:
            _ = [event async for event in events]
    except ProviderError as error:
        return error
    raise AssertionError("it answered")


@pytest.mark.parametrize(
    ("script", "expected", "row"),
    [
        pytest.param(page(200, PAGE, "text/html"), ErrorKind.PROTOCOL, "C08", id="page"),
        pytest.param(page(200, "{}", ""), ErrorKind.PROTOCOL, "C08", id="no type"),
        pytest.param(page(200, ""), ErrorKind.PROTOCOL, "C08", id="nothing"),
        pytest.param(
            page(302, "", extra={"Location": "/api/tags"}), ErrorKind.MISCONFIGURED, "C04", id="302"
        ),
        pytest.param(page(404, "404 page not found"), ErrorKind.MISCONFIGURED, "O04", id="404"),
        pytest.param(page(403, "", ""), ErrorKind.MISCONFIGURED, "O04", id="403"),
        pytest.param(page(502, PAGE, "text/html"), ErrorKind.TRANSIENT, "O12", id="502"),
        pytest.param(page(500, "x" * 1_000_000), ErrorKind.TRANSIENT, "O12", id="endless refusal"),
        pytest.param(page(299, PAGE), ErrorKind.PROTOCOL, "", id="299"),
        pytest.param(line({"error": 5}), ErrorKind.TRANSIENT, "O12", id="a number as error"),
        pytest.param(
            line({"error": {"message": "x", "type": "None", "code": "429"}}),
            ErrorKind.RATE_LIMIT,
            "O06",
            id="a proxy's code",
        ),
        pytest.param(
            line({"error": {"message": "Context size has been exceeded."}}),
            ErrorKind.CONTEXT,
            "O08",
            id="overflow as an object",
        ),
        pytest.param((headers(), end(End.CLEAN)), ErrorKind.TRANSIENT, "C07", id="empty"),
        pytest.param((headers(), end(End.CUT)), ErrorKind.TRANSIENT, "C07", id="cut after headers"),
        pytest.param((headers(500), end(End.CUT)), ErrorKind.TRANSIENT, "O12", id="cut refusal"),
        pytest.param((body(b"<html>\n"), end(End.HANG)), ErrorKind.PROTOCOL, "C08", id="html"),
        pytest.param((body(b"\xff\n"), end(End.HANG)), ErrorKind.PROTOCOL, "C08", id="bytes"),
        pytest.param(end(End.CUT), ErrorKind.CONNECT, "C03", id="closes unanswered"),
        pytest.param(end(End.RESET), ErrorKind.CONNECT, "C03", id="resets unanswered"),
        pytest.param((raw(b"SSH-2.0-x\r\n"),), ErrorKind.PROTOCOL, "C08", id="not HTTP"),
        pytest.param(
            (raw(b"HTTP/1.1 20"), end(End.CUT)), ErrorKind.TRANSIENT, "C07", id="half a status line"
        ),
        pytest.param(
            raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n"),
            ErrorKind.PROTOCOL,
            "C08",
            id="huge header",
        ),
        pytest.param(
            raw(BEGIN + CHUNK + b"zz\r\n"), ErrorKind.PROTOCOL, "C08", id="bad first chunk"
        ),
        pytest.param(
            (raw(BEGIN[:-4] + b"\r\nContent-Encoding: gzip\r\n\r\n" + CHUNK), end(End.CUT)),
            ErrorKind.TRANSIENT,
            "C07",
            id="says it is compressed",
        ),
        pytest.param(
            raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"),
            ErrorKind.PROTOCOL,
            "",
            id="changes protocol",
        ),
    ],
)
async def test_each_fault_has_its_class(script: Script, expected: ErrorKind, row: str) -> None:
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        fake.will(script)

        error = await failure_of(provider)

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
    async with FaultyTcp(mode) as tcp, ollama_at(tcp.base_url) as provider:
        error = await failure_of(provider)

    assert (expected, phase) == (error.kind, error.phase)


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:1", "http://no-such-host.invalid:11434"])
async def test_what_cannot_be_connected_to_was_not_called(base_url: str) -> None:
    async with ollama_at(base_url) as provider:
        error = await failure_of(provider)

    assert (ErrorKind.CONNECT, "connect", False) == (error.kind, error.phase, error.called)


async def test_connecting_takes_no_longer_than_its_limit() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        # The kernel takes these into the queue of a listener that never accepts, and no more.
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(1)]
        async with ollama_at(f"http://127.0.0.1:{port}", connect_timeout_s=0.1) as provider:
            error = await failure_of(provider)
        for one in held:
            one.close()

    assert (ErrorKind.CONNECT, "connect", False) == (error.kind, error.phase, error.called)


async def test_a_limited_rate_says_when_to_come_back() -> None:
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        fake.will(page(429, PAGE, "text/html", {"Retry-After": "7"}))

        error = await failure_of(provider)

    assert (ErrorKind.RATE_LIMIT, 7.0) == (error.kind, error.retry_after_s)


async def test_no_word_of_the_upstream_is_in_an_error() -> None:
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        fake.will(page(500, '{"error":"secret"}', "application/json", {"X-Secret": "secret"}))

        error = await failure_of(provider)

    assert "secret" not in f"{error} {error!r} {vars(error)} {error.__cause__!r}"


async def test_an_answer_delimited_by_its_connection_is_fine_up_to_its_end() -> None:
    whole = b'{"message":{"content":"a"},"done":false}\n{"done":true,"done_reason":"stop"}\n'
    begin = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n"
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        fake.will(raw(begin + whole), end(End.CUT))
        async with aclosing(started(provider)) as events:
            first, _ = [event async for event in events]

        fake.will(raw(begin + whole[:-30]), end(End.CUT))
        error = await failure_of(provider)

    assert Delta("a") == first
    assert (ErrorKind.TRANSIENT, "C07") == (error.kind, error.row)


@pytest.mark.parametrize("broken", [b"zz\r\n", b"3\r\nabcdef\r\n"])
async def test_a_broken_chunk_that_aiohttp_waits_behind_can_be_left(broken: bytes) -> None:
    gate = Gate()
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        fake.will(raw(BEGIN + CHUNK), gate, raw(broken), end(End.HANG))
        async with aclosing(started(provider)) as events:
            first = await anext(events)
            gate.open()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await anext(events)

        assert Delta("a") == first
        await eventually(lambda: 0 == fake.open_connections)


async def test_a_broken_chunk_that_came_while_we_were_busy_is_a_failure() -> None:
    gate = Gate()
    async with FakeOllama(models=(MODEL,)) as fake, ollama_at(fake.base_url) as provider:
        fake.will(raw(BEGIN + CHUNK), gate, raw(b"zz\r\n"), end(End.HANG))
        async with aclosing(started(provider)) as events:
            await anext(events)
            gate.open()
            await eventually(lambda: 0 == fake.open_connections)
            with pytest.raises(ProviderError, match=ErrorKind.TRANSIENT) as caught:
                await anext(events)

    assert ("C07", "stream") == (caught.value.row, caught.value.phase)


async def test_leaving_frees_a_connection_whose_upstream_reads_nothing() -> None:
    def ours() -> int:
        connections = psutil.Process().net_connections("tcp4")
        return sum(one.raddr[1:] == (port,) for one in connections)

    async def ask() -> None:
        async with aclosing(started(provider, "x" * 16_000_000)) as events:
            await anext(events)

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        async with ollama_at(f"http://127.0.0.1:{port}") as provider, asyncio.TaskGroup() as group:
            asking = group.create_task(ask())
            await eventually(lambda: 1 == ours())
            asking.cancel()

            await eventually(lambda: 0 == ours())
