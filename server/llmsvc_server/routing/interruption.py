"""Ending a task's wait from outside, as a failure of what it waits for and not as a cancel."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast


class Interruption:
    """For one stream, which one task reads. Interrupts it only while it waits upstream."""

    __slots__ = ("_cancelling", "_fired", "_task", "_waits")

    def __init__(self) -> None:
        """Belong to the running task."""
        self._task = cast("asyncio.Task[object]", asyncio.current_task())
        self._cancelling = self._task.cancelling()
        self._waits = False
        self._fired = False

    def begin(self) -> None:
        """Note that a wait begins."""
        self._waits = True

    def end(self) -> None:
        """Note that the wait is over: from here on nothing interrupts."""
        self._waits = False

    def interrupt(self) -> bool:
        """End the wait. Return False if there is none, or another interruption was first."""
        if not self._waits or self._fired:
            return False
        self._fired = True
        _ = self._task.cancel()
        return True

    def broke(self) -> bool:
        """Return whether the cancel that just arrived is this interruption, and nobody else's."""
        return self._fired and self._task.uncancel() <= self._cancelling


class _Wait(Interruption):
    __slots__ = ("over",)

    def __init__(self) -> None:
        super().__init__()
        self.over = asyncio.Event()


class Waits:
    """The waits for first bytes of many calls, by model."""

    def __init__(self) -> None:
        """Know of none."""
        self._waits: dict[str, set[_Wait]] = {}

    @contextmanager
    def one(self, model: str) -> Iterator[Interruption]:
        """Give the wait of one call, begun. Its end is the first byte; leaving, the call's."""
        wait = _Wait()
        of_model = self._waits.setdefault(model, set())
        of_model.add(wait)
        wait.begin()
        try:
            yield wait
        finally:
            wait.over.set()
            of_model.discard(wait)
            if not of_model:
                del self._waits[model]

    async def interrupt(self, model: str, *, within_s: float) -> None:
        """End a model's waits; return once those calls are over, at the latest in `within_s`."""
        ended = [wait for wait in self._waits.get(model, ()) if wait.interrupt()]
        try:
            async with asyncio.timeout(within_s):
                for wait in ended:
                    await wait.over.wait()
        except TimeoutError:
            return
