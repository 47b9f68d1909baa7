"""How much memory a pod takes under the worst that callers send at once."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

from llmsvc_server.config.memory import memory_of
from llmsvc_server.config.settings import Settings
from tests.bench.lab import Lab
from tests.bench.row import Demand, Judged, Row, said
from tests.hostile.worst_mix import MIB, mix


def worst_mix(lab: Lab) -> list[Row]:
    """Return the row of peak memory, at most what the formula of the settings says."""
    if not lab.switches.doors:
        return []
    most_bytes = memory_of(Settings()).total_bytes
    with tempfile.TemporaryDirectory(prefix="llmsvc-bench-") as folder:
        ended = asyncio.run(mix(Path(folder)))
    refused = sum(ended.ends.values(), start=Counter[str]())
    return [
        Row(
            measure="resident memory at most, under the worst mix of callers",
            door="by default",
            unit="MiB",
            ours=(ended.peak_bytes / MIB,),
            judged=Judged.VALUE,
            demand=Demand(most_bytes / MIB),
            notes=(
                "by the formula of the settings (deploy/README.md); statuses: " + said(refused),
            ),
            failure="" if ended.is_alive else "the server has died",
        )
    ]
