"""Many callers on one connection, in Go and Node."""

import json
from pathlib import Path

import pytest

from tests.interop.go_workshop import GoWorkshop
from tests.interop.programs import ROOT, missing, program
from tests.interop.running import Ran, run

pytestmark = pytest.mark.interop

CALLS = 600


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
