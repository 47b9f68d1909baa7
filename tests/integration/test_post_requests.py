"""What a chat's request is on the wire, and what becomes of its connection."""

import asyncio
import gzip
import json
import socket
from contextlib import aclosing

import pytest

from llmsvc_server.chat.events import Delta
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.base import ChatProvider
from tests.conformance.subjects import ollama_at
from tests.fakes.eventually import eventually
from tests.fakes.fake_anthropic import KEY
from tests.fakes.openai_at import openai_at
from tests.fakes.raw_answers import DIALECTS, MODEL, NDJSON, Dialect, answered, response, tags
from tests.fakes.raw_upstream import Asked, RawUpstream, Say
from tests.fakes.requests import chat_request, limits_of

OLLAMA = DIALECTS["ollama"]
LARGE_BYTES = 1024 * 1024
"""Up to here a request is sent at once, and in pieces from here on."""

HEADS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "ollama": ("/api/chat", "application/x-ndjson", ()),
    "openai": ("/chat/completions", "text/event-stream", ()),
    "anthropic": (
        "/v1/messages",
        "text/event-stream",
        (f"x-api-key: {KEY}", "anthropic-version: 2023-06-01"),
    ),
}
each_host = pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        pytest.param(
            "::1",
            marks=pytest.mark.skipif(
                not socket.has_dualstack_ipv6(), reason="this machine has no IPv6"
            ),
        ),
    ],
)


def saying(dialect: Dialect, *fields: str) -> Say:
    """Return an upstream that answers well, with more fields in its heads."""
    whole = dialect.answer("well").replace(b"\r\n", "\r\n".join(["", *fields, ""]).encode(), 1)

    async def say(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(whole)

    return say


async def asked_for(provider: ChatProvider, text: str) -> str:
    """Ask a provider something; return the text of its answer."""
    request = chat_request(text, model=MODEL)
    async with aclosing(provider.stream_chat(request, limits_of())) as events:
        return "".join([event.text async for event in events if isinstance(event, Delta)])


@each_host
@pytest.mark.parametrize("name", DIALECTS)
async def test_a_head_says_what_is_needed_and_no_more(name: str, host: str) -> None:
    path, accept, own = HEADS[name]
    cookie = saying(DIALECTS[name], "Set-Cookie: a=b; Path=/")
    async with (
        RawUpstream(cookie, host=host) as upstream,
        DIALECTS[name].adapter(upstream.base_url) as provider,
    ):
        _ = [await answered(provider) for _ in range(2)]

    expected = [
        (
            f"POST {path} HTTP/1.1",
            f"Host: {upstream.base_url.removeprefix('http://')}",
            "Content-Type: application/json",
            f"Accept: {accept}",
            "Accept-Encoding: identity",
            "User-Agent: llmsvc/test",
            *own,
            f"Content-Length: {len(asked.body)}",
        )
        for asked in upstream.asked
    ]
    assert expected == [asked.head for asked in upstream.asked]
    assert 1 == upstream.accepted


async def test_a_path_is_quoted_once() -> None:
    async with (
        RawUpstream(saying(OLLAMA)) as upstream,
        ollama_at(f"{upstream.base_url}/a%2Fb/c%20d/é+e") as provider,
    ):
        await answered(provider)

    assert "/a%2Fb/c%20d/%C3%A9+e/api/chat" == upstream.asked[0].path


async def test_a_key_that_would_be_more_than_one_line_is_not_sent() -> None:
    async with (
        RawUpstream(saying(DIALECTS["openai"])) as upstream,
        openai_at(upstream.base_url, api_key="a\r\nX-Other: b") as provider,
    ):
        with pytest.raises(ValueError, match="character"):
            await answered(provider)

    assert [] == upstream.asked


async def test_lists_and_chats_share_connections() -> None:
    async def say(asked: Asked, writer: asyncio.StreamWriter) -> None:
        is_list = asked.path != "/api/chat"
        writer.write(response(tags(MODEL)) if is_list else OLLAMA.answer("well"))

    async with RawUpstream(say) as upstream, ollama_at(upstream.base_url) as provider:
        await provider.catalogue()
        await answered(provider)
        await provider.catalogue()

    assert 1 == upstream.accepted


@pytest.mark.parametrize("size_bytes", [LARGE_BYTES - 1, LARGE_BYTES, LARGE_BYTES + 1])
async def test_a_long_request_arrives_whole(size_bytes: int) -> None:
    async with RawUpstream(saying(OLLAMA)) as upstream, ollama_at(upstream.base_url) as provider:
        text = "x"
        for _ in range(2):
            await asked_for(provider, text)
            text = "x" * (size_bytes - len(upstream.asked[0].body) + 1)

    last = upstream.asked[-1].body
    assert size_bytes == len(last)
    assert text == json.loads(last)["messages"][0]["content"]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_what_is_compressed_unasked_is_no_answer(encoding: str) -> None:
    body = gzip.compress(OLLAMA.body("squeezed"))
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {NDJSON}\r\nContent-Encoding: {encoding}\r\n"

    async def say(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async with RawUpstream(say) as upstream, ollama_at(upstream.base_url) as provider:
        with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL) as caught:
            await answered(provider)

    assert ("C08", 1) == (caught.value.row, caught.value.requests)


async def test_leaving_before_the_head_closes_the_connection() -> None:
    async def say(_asked: Asked, _writer: asyncio.StreamWriter) -> None:
        pass

    async with (
        RawUpstream(say) as upstream,
        ollama_at(upstream.base_url) as provider,
        asyncio.TaskGroup() as group,
    ):
        asking = group.create_task(answered(provider))
        await eventually(lambda: 1 == len(upstream.asked))
        asking.cancel()

        await eventually(lambda: 0 == upstream.open_connections)


async def test_a_connection_that_is_to_be_closed_is_not_kept() -> None:
    async with (
        RawUpstream(saying(OLLAMA, "Connection: close")) as upstream,
        ollama_at(upstream.base_url) as provider,
    ):
        _ = [await answered(provider) for _ in range(2)]

        await eventually(lambda: 0 == upstream.open_connections)

    assert [0, 0] == [asked.earlier for asked in upstream.asked]


async def test_an_answer_that_breaks_off_leaves_no_connection() -> None:
    async def say(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(OLLAMA.answer("well")[:-20])
        writer.write_eof()

    async with RawUpstream(say) as upstream, ollama_at(upstream.base_url) as provider:
        with pytest.raises(ProviderError, match=ErrorKind.TRANSIENT):
            await answered(provider)

        await eventually(lambda: 0 == upstream.open_connections)
