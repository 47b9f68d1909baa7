"""The one place that starts tasks: background loops in one group, which a crash ends loudly."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Self


class Background:
    """Owns every task of the process. Leaving it cancels what still runs."""

    def __init__(self) -> None:
        """Own nothing yet."""
        self._group = asyncio.TaskGroup()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Enter the group; the task that does so is cancelled when a loop crashes."""
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cancel what runs, and wait for it."""
        for task in self._tasks:
            task.cancel()
        await self._group.__aexit__(kind, error, trace)

    def start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run `work` until it ends or the group is left."""
        task = self._group.create_task(work)
        self._tasks = [one for one in self._tasks if not one.done()]
        self._tasks.append(task)
        return task
