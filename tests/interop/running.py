"""Programs run to their end while the loop goes on, so that fakes in this process can answer them."""

import asyncio
import os
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.interop.programs import ROOT

LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


async def run(
    *command: str | Path,
    cwd: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    within_s: float = LIMIT_S,
) -> Ran:
    """Run a program to its end.

    Args:
        command: The program and its arguments.
        cwd: Where it runs.
        environment: Variables beside those of this process.
        within_s: Its time in seconds.

    Raises:
        TimeoutError: It took longer; it was killed.
    """
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env={**os.environ, **(environment or {})}, stdout=PIPE, stderr=PIPE
    )
    try:
        async with asyncio.timeout(within_s):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())
