"""Many callers on one connection, in Go and Node, and connections that ping while they are idle."""

import asyncio
import json
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2

from tests.fakes.http2_connection import http2_connection
from tests.interop.go_workshop import GoWorkshop
from tests.interop.programs import ROOT, missing, program
from tests.interop.running import Ran, run

pytestmark = pytest.mark.interop

CALLS = 600
PING_EVERY_S = 5.5  # shorter than the 10 s of many clients, so that theirs may come early
PINGS = 5  # gRPC's core forgives two that come too soon, and answers the one it leaves at


def ends(ran: Ran) -> dict[str, int]:
    assert 0 == ran.code, ran.err
    counted: dict[str, int] = json.loads(ran.out)
    return counted


@pytest.fixture(scope="module")
async def go_callers(workshop: GoWorkshop) -> Path:
    """Return the built client."""
    return await workshop.build("callers")


@pytest.mark.parametrize("callers", [100, 500])
@pytest.mark.parametrize("kind", ["chat", "stream"])
async def test_go(go_callers: Path, mocked: str, kind: str, callers: int) -> None:
    ran = await run(go_callers, mocked, str(callers), str(CALLS), kind)

    assert {f"{kind} OK": CALLS} == ends(ran)


async def test_go_with_calls_of_all_kinds(go_callers: Path, mocked: str) -> None:
    kinds = ("chat", "stream", "refused", "leave", "health")
    counted = ends(await run(go_callers, mocked, "200", str(CALLS), *kinds))

    assert CALLS == sum(counted.values())
    assert {
        "chat OK",
        "stream OK",
        "health OK",
        "refused InvalidArgument INVALID_REQUEST",
        "leave Canceled: context canceled",
    } == counted.keys() - {"leave OK"}  # all of the answer was there already


@pytest.mark.parametrize("callers", [100, 500])
@pytest.mark.parametrize("kind", ["chats", "streams"])
async def test_node(mocked: str, kind: str, callers: int) -> None:
    folder = ROOT / "tests/interop/node"
    if not (folder / "node_modules/.fetched").exists():
        missing("the Node client's packages are")
    ran = await run(
        program("node"), folder / "client.js", kind, mocked, "protos", str(callers), str(CALLS)
    )

    assert {"OK": CALLS} == ends(ran)


async def test_pings_of_a_connection_without_data_are_answered(mocked: str) -> None:
    async with http2_connection(mocked) as idle, http2_connection(mocked) as silent:
        watch = health_pb2.HealthCheckRequest().SerializeToString()
        silent.call("/grpc.health.v1.Health/Watch", watch)

        answered = await asyncio.gather(
            *(one.ping_steadily(every_s=PING_EVERY_S, times=PINGS) for one in (idle, silent))
        )

    assert [PINGS, PINGS] == answered
