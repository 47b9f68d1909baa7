"""The `llmsvc` command in a process of its own."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass

LIMIT_S = 45.0
"""Far more than a busy machine takes: it ends a hang."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


async def begun(
    *arguments: str | bytes,
    address: str,
    stdin: int = asyncio.subprocess.DEVNULL,
    stdout: int = asyncio.subprocess.PIPE,
    environment: Mapping[str, str] | None = None,
    ignoring: signal.Signals | None = None,
) -> asyncio.subprocess.Process:
    """Return a running `llmsvc`.

    Args:
        arguments: Its arguments.
        address: What `LLMSVC_CLIENT_ADDRESS` says.
        stdin: A pipe, or a file descriptor, in place of none.
        stdout: A file descriptor in place of a pipe.
        environment: Further variables.
        ignoring: A signal that its parent ignores, as `nohup` does.
    """
    command = [sys.executable, "-m", "llmsvc_client", *arguments]
    if ignoring is not None:
        command = ["/bin/sh", "-c", f"trap '' {ignoring.name[3:]}; exec \"$@\"", "sh", *command]
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=stdin,
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "LLMSVC_CLIENT_ADDRESS": address, **(environment or {})},
    )


async def ended(process: asyncio.subprocess.Process, stdin: bytes = b"") -> Ended:
    """Give it its standard input, and return how it ended.

    Raises:
        TimeoutError: It did not end within `LIMIT_S`.
    """
    async with asyncio.timeout(LIMIT_S):
        out, err = await process.communicate(stdin if process.stdin else None)
    assert process.returncode is not None
    return Ended(process.returncode, (out or b"").decode(), err.decode())


async def run(*arguments: str | bytes, address: str, stdin: bytes = b"") -> Ended:
    """Run it to its end."""
    pipe = asyncio.subprocess.PIPE
    return await ended(await begun(*arguments, address=address, stdin=pipe), stdin)
