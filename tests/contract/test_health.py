"""grpc.health.v1 as probes and balancers use it."""

from functools import partial

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.contract.loop_thread import ServedElsewhere
from tests.contract.told import told
from tests.fakes.eventually import PATIENCE_S

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
TABLE = {"": True, "liveness": True, "readiness": False, "provider/ollama": True}


@pytest.fixture
def health(grpc_channel: grpc.Channel, served: ServedElsewhere) -> health_pb2_grpc.HealthStub:
    """Return a stub, with the board as TABLE says."""
    served.do(lambda: served.service.board.publish(TABLE))
    return health_pb2_grpc.HealthStub(grpc_channel)


def checked(stub: health_pb2_grpc.HealthStub, name: str) -> int:
    request = health_pb2.HealthCheckRequest(service=name)
    status: int = stub.Check(request, timeout=PATIENCE_S).status
    return status


@pytest.mark.parametrize("name", TABLE)
def test_check_answers_from_the_board(health: health_pb2_grpc.HealthStub, name: str) -> None:
    assert (SERVING if TABLE[name] else NOT_SERVING) == checked(health, name)


@pytest.mark.parametrize("name", ["nope", "LIVENESS", "model/nope", "x" * 4_000, "\x00", "ü"])
def test_check_of_a_name_that_does_not_exist_is_not_found(
    health: health_pb2_grpc.HealthStub, name: str
) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        checked(health, name)
    outcome = told(raised.value)

    assert "NOT_FOUND" == outcome.code
    assert "No such health name; List tells which there are." == outcome.message


def test_list_returns_the_whole_table(health: health_pb2_grpc.HealthStub) -> None:
    statuses = health.List(health_pb2.HealthListRequest(), timeout=PATIENCE_S).statuses
    listed = {name: response.status == SERVING for name, response in statuses.items()}

    assert TABLE == listed


def test_watch_says_the_state_at_once_then_each_change_of_it_once(
    health: health_pb2_grpc.HealthStub, served: ServedElsewhere
) -> None:
    board = served.service.board
    call = health.Watch(health_pb2.HealthCheckRequest(service="readiness"), timeout=10)
    states = [next(call).status]
    for table in ({**TABLE, "provider/ollama": False}, {**TABLE, "readiness": True}):
        served.do(partial(board.publish, table))
    states.append(next(call).status)
    served.do(partial(board.publish, TABLE))
    states.append(next(call).status)
    call.cancel()

    assert [NOT_SERVING, SERVING, NOT_SERVING] == states


def test_the_request_id_of_a_probe_comes_back(
    health: health_pb2_grpc.HealthStub,
) -> None:
    _, call = health.Check.with_call(
        health_pb2.HealthCheckRequest(service="liveness"),
        metadata=(("x-request-id", "probe-1"),),
        timeout=PATIENCE_S,
    )
    with pytest.raises(grpc.RpcError) as raised:
        health.Check(
            health_pb2.HealthCheckRequest(service="nope"),
            metadata=(("x-request-id", "probe-2"),),
            timeout=PATIENCE_S,
        )

    assert "probe-1" == dict(call.trailing_metadata())["x-request-id"]
    assert "probe-2" == told(raised.value).request_id


def test_probes_are_not_reported(
    health: health_pb2_grpc.HealthStub, served: ServedElsewhere
) -> None:
    before = len(served.service.reporter.starts)
    for _ in range(10):
        checked(health, "liveness")

    assert before == len(served.service.reporter.starts)


def test_probes_ask_no_provider(
    health: health_pb2_grpc.HealthStub, served: ServedElsewhere
) -> None:
    provider = served.provider
    before = (len(provider.calls), provider.listings)
    for name in TABLE:
        checked(health, name)

    assert before == (len(provider.calls), provider.listings)
