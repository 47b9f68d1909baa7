"""Once an answer comes, nobody holds what was asked: not as values, and not as bytes."""

import json
import tracemalloc
from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing

import pytest

from llmsvc_server.chat.events import ChatEvents, Delta
from llmsvc_server.providers.base import ChatProvider
from tests.conformance.subjects import ollama_at
from tests.fakes.anthropic_adapter import anthropic_at
from tests.fakes.forgetful_upstream import forgetful_upstream
from tests.fakes.openai_at import openai_at
from tests.fakes.raw_answers import MODEL, NDJSON, SSE
from tests.fakes.requests import chat_request, limits_of

STREAMS = 5
MIB = 1024 * 1024
ROOM_BYTES = MIB
"""For all streams together, beside their prompts: they take some 100 KiB each."""

FIRST = {
    ollama_at: (NDJSON, json.dumps({"message": {"content": "a"}, "done": False}) + "\n"),
    openai_at: (SSE, 'data: {"choices": [{"delta": {"content": "a"}}]}\n\n'),
    anthropic_at: (
        SSE,
        'data: {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}}\n\n',
    ),
}
"""Adapter -> what an answer begins with."""

Adapter = Callable[[str], ChatProvider]


async def begin(provider: ChatProvider, prompt: str) -> ChatEvents:
    """Return a stream whose first text has come."""
    events = provider.stream_chat(chat_request(prompt, model=MODEL), limits_of())
    assert isinstance(await anext(events), Delta)
    return events


@pytest.mark.parametrize("adapter", FIRST)
@pytest.mark.parametrize("prompt_bytes", [512 * 1024, 4 * MIB])
async def test_a_stream_does_not_keep_its_prompt(adapter: Adapter, prompt_bytes: int) -> None:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(forgetful_upstream(*FIRST[adapter]))
        provider = adapter(url)
        await stack.enter_async_context(provider)  # type: ignore[arg-type]  # each adapter is one
        tracemalloc.start()
        try:
            before_bytes, _ = tracemalloc.get_traced_memory()
            for number in range(STREAMS):
                events = await begin(provider, str(number) * prompt_bytes)
                await stack.enter_async_context(aclosing(events))
            held_bytes = tracemalloc.get_traced_memory()[0] - before_bytes
        finally:
            tracemalloc.stop()

    assert held_bytes < ROOM_BYTES
