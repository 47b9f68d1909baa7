"""Through which door the servers of tests are called: TESTED_DOOR says it, else `aio`."""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from typing_extensions import override

from llmsvc_server.rpc.door.aio import AioDoor
from llmsvc_server.rpc.door.batch import Batch
from llmsvc_server.rpc.door.core import NO_EVENT, CompletionQueue
from llmsvc_server.rpc.door.in_loop import InLoopDoor
from llmsvc_server.rpc.door.interface import Door
from llmsvc_server.rpc.door.pump import Pump

WISHED = os.environ.get("TESTED_DOOR", "")
_LOOK_S = 0.1


class ThreadPump(Pump):
    """Works a completion queue off in a thread of its own, and hands events to the loop.

    For servers with a gRPC client beside them in the process, whose poller would take the events
    of a queue that the loop asks.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand to `loop`, until it is closed."""
        self.loop = loop
        self.queue = CompletionQueue()
        threading.Thread(target=self._run, daemon=True, name="gRPC events").start()

    @override
    def work_until(self, batch: Batch) -> bool:
        return batch.success is not None

    @override
    def look_soon(self) -> None:
        """The thread looks all the time."""

    @override
    def ask(self, request: Callable[[], object]) -> None:
        request()

    def _run(self) -> None:
        while not self.loop.is_closed():
            self._hand_over(self.queue.poll(time.time() + _LOOK_S))  # noqa: TID251  gRPC's own clock

    def _hand_over(self, event: Any) -> None:  # noqa: ANN401  gRPC's own
        if event.completion_type != NO_EVENT:
            self.loop.call_soon_threadsafe(event.tag, event)


_PUMPS: WeakKeyDictionary[asyncio.AbstractEventLoop, ThreadPump] = WeakKeyDictionary()


def door_here() -> Door:
    """Return the door of a server in this process, on the running loop."""
    if WISHED != InLoopDoor.name:
        return AioDoor()
    loop = asyncio.get_running_loop()
    if loop not in _PUMPS:
        _PUMPS[loop] = ThreadPump(loop)
    return InLoopDoor(_PUMPS[loop])
