"""How long the code is that decides where a call goes."""

from pathlib import Path

from tests.bench.build import ROOT
from tests.bench.lab import Lab
from tests.bench.row import Demand, Judged, Row

_PACKAGES = ("routing", "upstreams")


def lines(_lab: Lab) -> list[Row]:
    """Return the row of lines, as `wc -l` counts them."""
    found = {name: _count(ROOT / "server" / "llmsvc_server" / name) for name in _PACKAGES}
    return [
        Row(
            measure="lines of routing and upstreams",
            unit="",
            ours=(sum(found.values()),),
            judged=Judged.VALUE,
            demand=Demand(2_900, 2_600),
            notes=(", ".join(f"{name} {count:,}" for name, count in found.items()),),
        )
    ]


def _count(package: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in package.rglob("*.py"))
