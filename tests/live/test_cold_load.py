"""A model's load that outlives the caller who asked for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import psutil
import pytest

from tests.contract.told import told
from tests.fakes.eventually import eventually
from tests.fakes.requests import chat_message
from tests.live.ollama_process import OllamaProcess
from tests.live.service import Service

pytestmark = pytest.mark.live

SHORT_S = 2.0
LONG_S = 60.0
LOADED_S = 30.0
QUICK_S = 10.0
LOADED = "runner started in"


@asynccontextmanager
async def held(ollama: OllamaProcess) -> AsyncIterator[psutil.Process]:
    """Stop the engine in its load, as a huge model would be; let it go on in the end."""
    await eventually(lambda: bool(ollama.engines()), within_s=LOADED_S)
    (engine,) = ollama.engines()
    engine.suspend()
    assert LOADED not in ollama.log, "the load was over before it could be held"
    try:
        yield engine
    finally:
        engine.resume()


async def the_next_is_quick(served: Service) -> None:
    request = chat_message()
    request.generation_config.max_output_tokens = 5
    async with asyncio.timeout(QUICK_S):
        answer = await served.chat(request, within_s=LONG_S)

    assert 5 == answer.usage.output_tokens


async def test_a_load_goes_on_when_its_caller_has_no_time_for_it(
    ollama: OllamaProcess, over_it: Service
) -> None:
    call = over_it.stub.Chat(chat_message(), timeout=SHORT_S)
    async with held(ollama) as engine:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call

    assert told(refused.value).reason in {"TIME_LIMIT_EXCEEDED", "MODEL_LOADING"}
    await the_next_is_quick(over_it)
    assert [engine] == ollama.engines()


async def test_a_load_goes_on_when_its_caller_leaves(
    ollama: OllamaProcess, over_it: Service
) -> None:
    call = over_it.stub.ChatStream(chat_message(), timeout=LONG_S)
    async with held(ollama) as engine:
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.read()
        await over_it.until(serving=True)  # by the same connection: it knows of the cancel now

    await the_next_is_quick(over_it)
    assert [engine] == ollama.engines()
