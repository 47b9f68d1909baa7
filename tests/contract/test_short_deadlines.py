"""Callers with next to no time, against a provider that never answers."""

from collections.abc import Iterator

import grpc
import pytest

from llmsvc.v1 import llm_pb2_grpc
from tests.contract.loop_thread import ServedElsewhere, served_elsewhere
from tests.contract.told import Told, told
from tests.fakes.assembled import MODEL
from tests.fakes.gate import Gate
from tests.fakes.requests import chat_message
from tests.fakes.scripted_provider import ScriptedProvider

TRIES = 3
"""A machine that pauses for 150 ms takes the lead that the server has."""


@pytest.fixture(scope="module")
def served() -> Iterator[ServedElsewhere]:
    """Serve a provider that stays silent."""
    with served_elsewhere(ScriptedProvider(Gate(), models=[MODEL])) as server:
        yield server


def failed(stub: llm_pb2_grpc.LLMServiceStub, timeout_s: float) -> list[Told]:
    """Return what Chat and ChatStream are told."""
    with pytest.raises(grpc.RpcError) as whole:
        stub.Chat(chat_message(), timeout=timeout_s)
    with pytest.raises(grpc.RpcError) as streamed:
        list(stub.ChatStream(chat_message(), timeout=timeout_s))
    return [told(whole.value), told(streamed.value)]


@pytest.mark.parametrize("timeout_s", [-1, 0, 0.000_001, 0.001, 0.01])
def test_a_deadline_that_is_as_good_as_over_is_told_as_such(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, timeout_s: float
) -> None:
    assert ["DEADLINE_EXCEEDED"] * 2 == [one.code for one in failed(grpc_stub, timeout_s)]


def test_with_a_little_time_the_server_is_first_and_says_why(
    grpc_stub: llm_pb2_grpc.LLMServiceStub,
) -> None:
    tries = (failed(grpc_stub, 1.0) for _ in range(TRIES))
    outcomes = next(one for one in tries if all(end.reason for end in one))

    assert ["DEADLINE_EXCEEDED"] * 2 == [one.code for one in outcomes]
    assert ["TIME_LIMIT_EXCEEDED"] * 2 == [one.reason for one in outcomes]
    assert [{}] * 2 == [one.metadata for one in outcomes]


def test_nothing_goes_on_for_callers_that_left(
    grpc_stub: llm_pb2_grpc.LLMServiceStub, served: ServedElsewhere
) -> None:
    _ = failed(grpc_stub, 0.1)
    service, provider = served.service, served.provider
    served.wait_until(lambda: not (len(service.in_flight) or provider.running))

    assert 0 == service.admission.running
