"""A client whose own policy retries: the server's advice decides, and nobody hangs."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from llmsvc.v1 import llm_pb2_grpc
from llmsvc_server.chat.events import Delta
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from tests.contract.loop_thread import ServedElsewhere, served_elsewhere
from tests.contract.told import Told, told
from tests.fakes.assembled import MODEL
from tests.fakes.requests import chat_message
from tests.fakes.scripted_provider import ScriptedProvider

POLICY = {
    "maxAttempts": 5,
    "initialBackoff": "0.01s",
    "maxBackoff": "0.02s",
    "backoffMultiplier": 1,
    "retryableStatusCodes": ["UNAVAILABLE", "ABORTED", "RESOURCE_EXHAUSTED", "INTERNAL"],
}
SERVICE_CONFIG = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": POLICY}]})
Attempts = Callable[[], int]


@pytest.fixture
def eager(grpc_create_channel: Any) -> Iterator[llm_pb2_grpc.LLMServiceStub]:  # noqa: ANN401  a fixture of pytest-grpc
    """Return a stub that makes five attempts at nearly everything."""
    with grpc_create_channel(options=[("grpc.service_config", SERVICE_CONFIG)]) as channel:
        yield llm_pb2_grpc.LLMServiceStub(channel)


@pytest.fixture
def arrived(served: ServedElsewhere) -> Attempts:
    """Return how many calls arrived at the server since the test began."""
    before = len(served.service.reporter.starts)
    return lambda: len(served.service.reporter.starts) - before


def whole(stub: llm_pb2_grpc.LLMServiceStub) -> Told:
    with pytest.raises(grpc.RpcError) as raised:
        stub.Chat(chat_message(), timeout=10)
    return told(raised.value)


def streamed(stub: llm_pb2_grpc.LLMServiceStub) -> Told:
    with pytest.raises(grpc.RpcError) as raised:
        list(stub.ChatStream(chat_message(), timeout=10))
    return told(raised.value)


@pytest.mark.parametrize("call", [whole, streamed])
@pytest.mark.parametrize(
    "error", [ProviderError(ErrorKind.TRANSIENT), ProviderError(ErrorKind.CONNECT)]
)
def test_what_the_server_has_tried_is_not_tried_again(
    eager: llm_pb2_grpc.LLMServiceStub,
    served: ServedElsewhere,
    arrived: Attempts,
    call: Callable[[llm_pb2_grpc.LLMServiceStub], Told],
    error: ProviderError,
) -> None:
    served.provider.will(error)
    served.provider.will(error)  # a retry of the server's own
    outcome = call(eager)

    assert ("UNAVAILABLE", -1) == (outcome.code, outcome.pushback_ms)
    assert 1 == arrived()


def test_a_stream_that_was_interrupted_is_not_repeated(
    eager: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere, arrived: Attempts
) -> None:
    served.provider.will(Delta("a"), ProviderError(ErrorKind.TRANSIENT))
    outcome = streamed(eager)

    assert ("ABORTED", 1) == (outcome.code, arrived())


@pytest.mark.parametrize("call", [whole, streamed])
def test_a_draining_server_is_asked_again_after_the_wait_it_names_and_then_no_more(
    call: Callable[[llm_pb2_grpc.LLMServiceStub], Told],
) -> None:
    options = [("grpc.service_config", SERVICE_CONFIG)]
    with served_elsewhere(ScriptedProvider(models=[MODEL])) as draining:
        service = draining.service
        draining.do(service.admission.close)
        with grpc.insecure_channel(service.address, options) as channel:
            outcome = call(llm_pb2_grpc.LLMServiceStub(channel))

    assert ("UNAVAILABLE", "SERVER_DRAINING", 100) == (
        outcome.code,
        outcome.reason,
        outcome.pushback_ms,
    )
    assert 5 == len(service.reporter.starts)
