"""Runs a script of this folder in a process of its own, where a crash is only an exit code."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOISE = (
    "Traceback",
    "exception was never retrieved",
    "was never awaited",
    "was destroyed but it is pending",
    "Event loop is closed",
    "Fatal Python error",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A script that is over. `exit_code` is negative where a signal ended it."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def noise(self) -> list[str]:
        """What of its stderr no healthy process says."""
        return [line for line in self.stderr.splitlines() if any(one in line for one in NOISE)]


async def started(name: str, *arguments: str) -> asyncio.subprocess.Process:
    """Start a script, warnings as errors; its output goes to pipes."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-X", "faulthandler", "-W", "error", "-m", f"tests.crash.{name}", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(name: str, *arguments: str, within_s: float = 60) -> Ended:
    """Run a script to its end.

    Raises:
        TimeoutError: It took longer than `within_s` seconds; it is killed then.
    """
    process = await started(name, *arguments)
    try:
        async with asyncio.timeout(within_s):
            stdout, stderr = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return Ended(exit_code=process.returncode or 0, stdout=stdout.decode(), stderr=stderr.decode())
