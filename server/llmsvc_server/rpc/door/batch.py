"""Operations that were handed to gRPC together, and are over together."""

import asyncio
from typing import Any


class Batch:
    """The tag of a batch: takes its event, and keeps none of it, since an event keeps its tag.

    Attributes:
        success: Whether it was done, None while it is under way.
    """

    success: bool | None = None
    _over: asyncio.Future[None] | None = None

    def __call__(self, event: Any) -> None:  # noqa: ANN401  gRPC's own
        """Be over."""
        self.success = event.success
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    async def wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """Return once it is over. A cancel of the wait changes nothing of the batch."""
        self._over = loop.create_future()
        await self._over
