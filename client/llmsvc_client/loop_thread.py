"""The one event loop, on one daemon thread, that serves all blocking clients of the process.

One per process, not per client: grpc.aio has one completion queue per process, and a loop that
closes while calls on it are unfinished leaves tracebacks.
"""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, ClassVar, TypeVar

_ResultT = TypeVar("_ResultT")


def run(work: Coroutine[Any, Any, _ResultT]) -> _ResultT:
    """Return what the coroutine returns; an interrupt here, such as Ctrl-C, cancels it there.

    Raises:
        RuntimeError: This thread's own event loop runs, and waiting would block it.
        BaseException: What the coroutine raises.
    """
    if _loop_runs_here():
        work.close()
        raise RuntimeError("an event loop runs in this thread: use Client with await instead")
    future = asyncio.run_coroutine_threadsafe(work, _LoopThread.shared().loop)
    try:
        return future.result()
    finally:
        future.cancel()


def _loop_runs_here() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _LoopThread:
    _lock: ClassVar[threading.Lock] = threading.Lock()
    _shared: ClassVar["_LoopThread | None"] = None

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(
            target=self.loop.run_forever, name="llmsvc-client", daemon=True
        )
        self.thread.start()

    @classmethod
    def shared(cls) -> "_LoopThread":
        """Return the process's one, started with the first use; in a forked child, a new one."""
        with cls._lock:
            if cls._shared is None or not cls._shared.thread.is_alive():
                cls._shared = cls()
            return cls._shared
