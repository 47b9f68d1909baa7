"""Answers that gRPC holds because their callers have not taken them."""

import asyncio
import math

from typing_extensions import override

from llmsvc_server.routing.admission import Slot
from llmsvc_server.routing.held import HeldAnswers
from llmsvc_server.watchdog import TimedWait, Watchdog

CALL_BYTES = 32_768
"""What a call that is held costs beside its message, both gRPC's part and ours."""

COPIES = 2
"""Of a whole answer: the bytes that we hand over, and gRPC's own."""


class Unsent:
    """Counts them as long as they are there, whoever has given the call up.

    They can't be taken back: grpc.aio has no way to reset one call (ADR-032).
    """

    def __init__(self, held: HeldAnswers, *, timeout_s: float) -> None:
        """Add to what is `held`; let an answer keep its slot for `timeout_s` seconds."""
        self._held = held
        self._timeout_s = timeout_s
        self._watchdog = Watchdog()

    def check(self, caller: str) -> None:
        """Return if there is room for one call more.

        Raises:
            Overloaded: There is none for this caller.
        """
        self._held.check(caller, CALL_BYTES)

    def hold(self, caller: str, message_bytes: int) -> None:
        """Count a message to `caller` until the running call has ended, and with it what it still sends."""
        size_bytes = message_bytes + CALL_BYTES
        self._held.add(caller, size_bytes)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  gRPC runs each call in one
        task.add_done_callback(lambda _ended: self._held.add(caller, -size_bytes))

    def deliver(self, message_bytes: int, slot: Slot) -> None:
        """Hold a whole answer of the running call, and its slot, until its caller has taken it.

        Args:
            message_bytes: Of the answer.
            slot: Is left then, or when the caller has had its time.

        Raises:
            Overloaded: There is no room for it beside what is held already.
        """
        size_bytes = COPIES * message_bytes
        self._held.check(slot.caller, size_bytes)
        delivery = _Delivery(self._watchdog, slot, self._held, size_bytes + CALL_BYTES)
        self._watchdog.waits.add(delivery)
        delivery.begin_until(self._watchdog.loop.time() + self._timeout_s)


class _Delivery(TimedWait):
    """The last wait of a unary call, for its caller. Its answer is on its way, and stays on it."""

    __slots__ = ("_held", "_size_bytes", "_slot")

    def __init__(self, watchdog: Watchdog, slot: Slot, held: HeldAnswers, size_bytes: int) -> None:
        super().__init__(watchdog)
        self._slot = slot
        self._held = held
        self._size_bytes = size_bytes
        held.add(slot.caller, size_bytes)
        self._task.add_done_callback(self._finish)

    @override
    def interrupt(self) -> bool:
        """Give the slot to others."""
        self.due_s = math.inf
        self._slot.leave()
        return True

    def _finish(self, _ended: "asyncio.Task[object]") -> None:
        self._watchdog.waits.discard(self)
        self._held.add(self._slot.caller, -self._size_bytes)
        self._slot.leave()
