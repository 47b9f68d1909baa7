"""Ending a task's wait from outside, as a failure of what it waits for and not as a cancel."""

import asyncio
from types import TracebackType
from typing import Self, cast


class Interruption:
    """For one task. Interrupts it only while it waits.

    Attributes:
        waits: Whether it does.
        fired: Whether it was interrupted; it is not interrupted again.
    """

    __slots__ = ("_cancelling", "_task", "fired", "waits")

    def __init__(self) -> None:
        """Belong to the running task."""
        self._task = cast("asyncio.Task[object]", asyncio.current_task())
        self._cancelling = self._task.cancelling()
        self.waits = False
        self.fired = False

    def begin(self) -> None:
        """Note that a wait begins."""
        self.waits = True

    def end(self) -> None:
        """Note that the wait is over: from here on nothing interrupts."""
        self.waits = False

    def interrupt(self) -> bool:
        """End the wait. Return False if there is none, or another interruption was first."""
        if not self.waits or self.fired:
            return False
        self.fired = True
        _ = self._task.cancel()
        return True

    def broke(self) -> bool:
        """Return whether the cancel that just arrived is this interruption, and nobody else's."""
        return self.fired and self._task.uncancel() <= self._cancelling


class Wait(Interruption):
    """The wait of one call for its first byte, begun. Leaving it is the end of the call."""

    __slots__ = ("_model", "_others", "over")

    def __init__(self, others: "dict[str, set[Wait]]", model: str) -> None:
        """Be one of the `others` of `model`, while entered."""
        super().__init__()
        self._others = others
        self._model = model
        self.over: asyncio.Event | None = None

    def __enter__(self) -> Self:
        """Begin."""
        self._others.setdefault(self._model, set()).add(self)
        self.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say that the call is over."""
        if self.over is not None:
            self.over.set()
        of_model = self._others[self._model]
        of_model.discard(self)
        if not of_model:
            del self._others[self._model]


class Waits:
    """The waits for first bytes of many calls, by model."""

    def __init__(self) -> None:
        """Know of none."""
        self._waits: dict[str, set[Wait]] = {}

    def one(self, model: str) -> Wait:
        """Return the wait of one call; its end is the first byte."""
        return Wait(self._waits, model)

    async def interrupt(self, model: str, *, within_s: float) -> None:
        """End a model's waits; return once those calls are over, at the latest in `within_s`."""
        calls_over: list[asyncio.Event] = []
        for wait in self._waits.get(model, ()):
            if wait.interrupt():
                wait.over = asyncio.Event()
                calls_over.append(wait.over)
        try:
            async with asyncio.timeout(within_s):
                for over in calls_over:
                    await over.wait()
        except TimeoutError:
            return
