"""Upstreams that say far more than they should, and how long others wait for the server meanwhile."""

from collections.abc import AsyncIterator

import grpc
import pytest

from tests.fakes.crowd import crowd, health
from tests.fakes.raw_upstream import RawUpstream
from tests.hostile.attacks import ENTRIES, GROUPS, ask, say, settings
from tests.hostile.conftest import Figures
from tests.hostile.measured_server import MeasuredServer, measured_server
from tests.hostile.probe import probing

BOUND_MS = 50.0
TRIES = 5
"""A stall comes every time, a neighbour of this machine does not."""

QUIET_CHECKS = 300


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MeasuredServer]:
    """Run a server with one provider for each attack."""
    async with RawUpstream(say) as upstream:
        folder = tmp_path_factory.mktemp("stalling")
        async with measured_server(folder, settings(upstream.base_url)) as server:
            yield server


@pytest.mark.parametrize("group", GROUPS)
async def test_what_an_upstream_sends_delays_nobody_else(
    server: MeasuredServer, group: str, figures: Figures
) -> None:
    _, attacks = GROUPS[group]
    delays_ms: list[float] = []
    ends: dict[str, str] = {}
    async with grpc.aio.insecure_channel(server.address) as channel:
        while not delays_ms or (min(delays_ms) > BOUND_MS and len(delays_ms) < TRIES):
            async with probing(server.address) as quiet:
                await crowd(channel, health, callers=1, each=QUIET_CHECKS)
            async with probing(server.address) as delays:
                ends = {name: await ask(channel, ENTRIES[name]) for name in attacks}
            delays_ms.append((delays.worst_s - quiet.worst_s) * 1000)

    figures(
        f"upstream stalls by {group}, slowest health check, added", min(delays_ms), BOUND_MS, "ms"
    )
    assert BOUND_MS >= min(delays_ms), (ends, delays_ms)
