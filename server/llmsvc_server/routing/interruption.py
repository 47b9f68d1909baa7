"""The waits of calls for their first bytes, which healing ends."""

import asyncio
from types import TracebackType
from typing import Self

from llmsvc_server.watchdog import Interruption


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
