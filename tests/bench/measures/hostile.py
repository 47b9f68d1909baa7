"""How long a server keeps others waiting while upstreams say whatever keeps it busy."""

import asyncio
import statistics
import tempfile
from pathlib import Path

import grpc

from tests.bench.door import Door
from tests.bench.lab import Lab
from tests.bench.row import Demand, Judged, Row
from tests.fakes.raw_upstream import RawUpstream
from tests.hostile.attacks import NAMES, ask, say, settings
from tests.hostile.measured_server import measured_server
from tests.hostile.probe import Delays, probing

_QUIET_S = 2.0


def hostile(lab: Lab) -> list[Row]:
    """Return the rows of health checks beside hostile upstreams, and those beside nothing."""
    return [_row(door) for door in lab.switches.doors if door is not Door.BEFORE]


def _row(door: Door) -> Row:
    quiet, beside = asyncio.run(_delays(door))
    return Row(
        measure="health check beside hostile upstreams, p99",
        door=door,
        against="left alone",
        unit="ms",
        floor=(quiet.p99_s * 1000,),
        ours=(beside.p99_s * 1000,),
        judged=Judged.ADDED,
        demand=Demand(50, 20),
        notes=(
            (
                f"{len(NAMES)} attacks one after the other, {len(beside.all_s):,} checks: median"
                f" {statistics.median(beside.all_s) * 1000:.1f} ms, longest"
                f" {beside.worst_s * 1000:.1f} ms; left alone, longest {quiet.worst_s * 1000:.1f} ms"
            ),
        ),
    )


async def _delays(door: Door) -> tuple[Delays, Delays]:
    """Return how long checks took beside nothing, and beside one attack after another."""
    with tempfile.TemporaryDirectory(prefix="llmsvc-bench-") as folder:
        async with RawUpstream(say) as upstream:
            tree = {**settings(upstream.base_url), "server": {"door": door.value}}
            async with (
                measured_server(Path(folder), tree) as server,
                grpc.aio.insecure_channel(server.address) as channel,
            ):
                async with probing(server.address) as quiet:
                    await asyncio.sleep(_QUIET_S)
                async with probing(server.address) as beside:
                    for entry in NAMES:
                        await ask(channel, entry)
    return quiet, beside
