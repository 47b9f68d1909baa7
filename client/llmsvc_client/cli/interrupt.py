"""Ctrl-C while a command runs: it cancels the command, which cancels its call."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

from llmsvc_client.cli.exits import Exit


def run_until_ctrl_c(command: Coroutine[Any, Any, Exit]) -> Exit:
    """Run a command to its end, or until Ctrl-C has cancelled it; a second Ctrl-C does not wait.

    Python's own handler is not used: it raises anywhere, also while the loop is being built.

    Returns:
        The exit code of the command, or that of Ctrl-C.
    """
    try:
        return asyncio.run(_cancellable(command))
    except asyncio.CancelledError:
        return Exit.CTRL_C


async def _cancellable(command: Coroutine[Any, Any, Exit]) -> Exit:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101  a coroutine under asyncio.run is a task

    def cancel(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        loop.call_soon_threadsafe(task.cancel)

    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        return await command
    signal.signal(signal.SIGINT, cancel)
    try:
        return await command
    finally:
        signal.signal(signal.SIGINT, before)
