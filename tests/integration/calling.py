"""Calls to a running service, as a caller would make and read them."""

from collections.abc import Awaitable
from typing import Any

import grpc
import pytest

from llmsvc.v1 import llm_pb2
from tests.contract.told import Told, told
from tests.fakes.requests import chat_message
from tests.fakes.running_service import RunningService

Kind = llm_pb2.ProviderKind


async def text_of(service: RunningService, text: str = "hi", *, model: str = "") -> str:
    """Return the text of a stream."""
    stream = service.stub.ChatStream(chat_message(text, model=model))
    return "".join([message.delta.text async for message in stream])


async def whole(service: RunningService, text: str = "hi", *, model: str = "") -> str:
    """Return the text of a unary answer."""
    return said(await service.stub.Chat(chat_message(text, model=model)))


def said(response: llm_pb2.ChatResponse) -> str:
    """Return the text of a response."""
    return "".join(part.text for part in response.message.parts)


async def failure_of(call: Awaitable[object]) -> Told:
    """Return what a call that fails says."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return told(failed.value)


async def answerer(service: RunningService, *, unary: bool, model: str = "") -> Any:  # noqa: ANN401  an enum's value, whose type protobuf has for checkers only
    """Return the kind of the provider that answered."""
    request = chat_message(model=model)
    if unary:
        return (await service.stub.Chat(request)).route.provider_kind
    first, *_ = [message async for message in service.stub.ChatStream(request)]
    return first.started.route.provider_kind
