"""Whole HTTP answers in bytes, as an Ollama, an OpenAI and an Anthropic would give them."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass

from llmsvc_server.chat.events import Delta
from llmsvc_server.providers.base import ChatProvider
from tests.conformance.subjects import ollama_at
from tests.fakes.anthropic_adapter import anthropic_at
from tests.fakes.openai_at import openai_at
from tests.fakes.requests import chat_request, limits_of

MODEL = "phi3:mini"
NDJSON, SSE, JSON = "application/x-ndjson", "text/event-stream", "application/json"


def response(body: bytes, content_type: str = JSON, *, chunked: bool = False) -> bytes:
    """Return a response that keeps its connection open."""
    if chunked:
        framing, body = "Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    else:
        framing = f"Content-Length: {len(body)}"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n{framing}\r\n\r\n"
    return head.encode() + body


async def answered(provider: ChatProvider) -> str:
    """Ask a provider; return the text of its answer."""
    async with aclosing(provider.stream_chat(chat_request(model=MODEL), limits_of())) as events:
        return "".join([event.text async for event in events if isinstance(event, Delta)])


def tags(*names: str) -> bytes:
    """Return the body of an Ollama's list."""
    return json.dumps({"models": [{"name": name, "model": name} for name in names]}).encode()


def _events(*documents: object, named: bool = False) -> bytes:
    return b"".join(
        (f"event: {one['type']}\n" if named and isinstance(one, dict) else "").encode()
        + b"data: "
        + (one if isinstance(one, bytes) else json.dumps(one).encode())
        + b"\n\n"
        for one in documents
    )


def _ollama(text: str) -> bytes:
    lines = (
        {"model": MODEL, "message": {"role": "assistant", "content": text}, "done": False},
        {"model": MODEL, "message": {"content": ""}, "done": True, "done_reason": "stop"},
    )
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _openai(text: str) -> bytes:
    return _events(
        {"choices": [{"index": 0, "delta": {"content": text}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        b"[DONE]",
    )


def _anthropic(text: str) -> bytes:
    return _events(
        {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 1},
        },
        {"type": "message_stop"},
        named=True,
    )


@dataclass(frozen=True, slots=True)
class Dialect:
    """One kind of upstream: an adapter for it, the body of an answer, and what that is called."""

    at: Callable[[str], ChatProvider]
    body: Callable[[str], bytes]
    content_type: str

    def answer(self, text: str, *, chunked: bool = False) -> bytes:
        """Return a whole response that says `text`."""
        return response(self.body(text), self.content_type, chunked=chunked)

    def adapter(self, base_url: str) -> "AbstractAsyncContextManager[ChatProvider]":
        """Return an adapter for the server at `base_url`."""
        provider = self.at(base_url)
        assert isinstance(provider, AbstractAsyncContextManager)
        return provider


DIALECTS: Mapping[str, Dialect] = {
    "ollama": Dialect(ollama_at, _ollama, NDJSON),
    "openai": Dialect(openai_at, _openai, SSE),
    "anthropic": Dialect(anthropic_at, _anthropic, SSE),
}
