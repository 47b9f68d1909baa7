"""A request that is compressed is refused before anybody unpacks it, unless a setting allows it."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from llmsvc.v1 import llm_pb2
from tests.contract.calls import provider_of
from tests.contract.told import told
from tests.fakes.assembled import Assembled, assembled
from tests.fakes.requests import chat_message
from tests.fakes.scripted_provider import done

MIB = 2**20
METHODS = [
    "/llmsvc.v1.LLMService/Chat",
    "/llmsvc.v1.LLMService/ChatStream",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
]
SERVING: int = health_pb2.HealthCheckResponse.SERVING
ENCODINGS = [grpc.Compression.Gzip, grpc.Compression.Deflate]


async def refusal(
    service: Assembled, method: str, request: bytes, compression: grpc.Compression
) -> tuple[str, str]:
    """Return code and text of a call that fails."""
    connect: Any = service.channel.unary_stream(method)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        async for _ in connect(request, compression=compression, timeout=10):
            pass
    outcome = told(raised.value)
    return outcome.code, outcome.message


@pytest.mark.parametrize("compression", ENCODINGS)
@pytest.mark.parametrize("method", METHODS)
async def test_it_is_unimplemented_on_every_method(
    method: str, compression: grpc.Compression
) -> None:
    async with assembled(provider_of(done())) as service:
        code, message = await refusal(service, method, bytes(10_000), compression)

    assert "UNIMPLEMENTED" == code
    assert "is disabled" in message


async def test_identity_is_no_compression() -> None:
    async with assembled(provider_of(done())) as service:
        response = await service.stub.Chat(
            chat_message(), compression=grpc.Compression.NoCompression, timeout=10
        )

    assert llm_pb2.FINISH_REASON_STOP == response.finish_reason


def test_a_client_that_takes_compressed_answers_gets_one(grpc_channel: grpc.Channel) -> None:
    """Any client of grpcio says that it takes them; here it is told in so many words."""
    check: Callable[..., bytes] = grpc_channel.unary_unary(METHODS[2])
    answer = check(b"", metadata=(("grpc-accept-encoding", "gzip,deflate"),), timeout=10)

    assert SERVING == health_pb2.HealthCheckResponse.FromString(answer).status


@pytest.mark.parametrize("compression", ENCODINGS)
async def test_where_a_setting_allows_it_it_is_as_good_as_any(
    compression: grpc.Compression,
) -> None:
    async with assembled(provider_of(done()), compressed_requests=True) as service:
        response = await service.stub.Chat(
            chat_message("hi" * 10_000), compression=compression, timeout=10
        )

    assert llm_pb2.FINISH_REASON_STOP == response.finish_reason


@pytest.mark.parametrize("compression", ENCODINGS)
async def test_even_then_it_unpacks_to_no_more_than_the_limit(
    compression: grpc.Compression,
) -> None:
    async with assembled(provider_of(done()), compressed_requests=True) as service:
        code, _ = await refusal(service, METHODS[0], bytes(6 * MIB), compression)

    assert "RESOURCE_EXHAUSTED" == code
