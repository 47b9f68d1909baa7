"""`llmsvc health`, for people and for probes."""

import pytest
from grpc_health.v1 import health_pb2

from tests.fakes.gate import Gate
from tests.fakes.llmsvc_command import Ended, run
from tests.fakes.scripted_service import ScriptedService


@pytest.mark.parametrize(
    ("arguments", "states", "expected"),
    [
        ([], {"readiness": health_pb2.HealthCheckResponse.SERVING}, Ended(0, "SERVING\n", "")),
        (
            [],
            {"readiness": health_pb2.HealthCheckResponse.NOT_SERVING},
            Ended(4, "NOT_SERVING\n", ""),
        ),
        (
            ["liveness", "--json"],
            {"liveness": health_pb2.HealthCheckResponse.SERVING},
            Ended(0, '{"name": "liveness", "status": "SERVING"}\n', ""),
        ),
        (
            ["nonsense"],
            {},
            Ended(4, "UNKNOWN\n", "llmsvc: the server has no health name 'nonsense'\n"),
        ),
    ],
)
async def test_health(
    service: ScriptedService, arguments: list[str], states: dict[str, int], expected: Ended
) -> None:
    service.states = states

    assert expected == await run("health", *arguments, address=service.address)


async def test_health_of_nobody_ends_with_3(unused_tcp_port: int) -> None:
    assert 3 == (await run("health", address=f"127.0.0.1:{unused_tcp_port}")).code


async def test_health_of_a_silent_server_ends_with_3(service: ScriptedService) -> None:
    service.silent = Gate()

    assert 3 == (await run("health", "--timeout", "0.2", address=service.address)).code


async def test_health_without_options_takes_a_short_way_to_the_same(
    service: ScriptedService,
) -> None:
    short = await run("health", address=service.address)
    whole = await run("health", "--timeout", "5", address=service.address)

    assert short == whole


async def test_a_wrong_address_in_the_environment_is_named() -> None:
    result = await run("health", address="nonsense")

    assert (2, "") == (result.code, result.out)
    assert "llmsvc: LLMSVC_CLIENT_ADDRESS: address 'nonsense': write host:port" in result.err
