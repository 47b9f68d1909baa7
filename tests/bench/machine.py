"""Names the machine and the versions that figures belong to."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

_DISTRIBUTIONS = ("llmsvc", "grpcio", "protobuf", "uvloop", "aiohttp", "msgspec")


def describe() -> list[str]:
    """Return one line for each thing that figures depend on."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _DISTRIBUTIONS)
    go = subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout  # noqa: S607 - whichever go built the client
    return [
        f"{os.cpu_count()} cores, {cpu}, {memory:.0f} GiB",
        f"{platform.system()} {platform.release()}",
        f"Python {platform.python_version()}, {versions}",
        f"load client and fake upstream: {go.strip()}",
        "load average at the start: " + ", ".join(f"{load:.2f}" for load in os.getloadavg()),
    ]
