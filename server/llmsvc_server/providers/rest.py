"""What is still to come of an answer's body, and for how long that matters."""

import asyncio

from llmsvc_server.errors import ProviderFailed
from llmsvc_server.providers.answer import Answer

REST_WAIT_S = 2.0
"""How long a complete answer may take to say the rest: its usage, or that nothing follows.

Source: failover.md 3.3.
"""


class Rest:
    """The body of one answer."""

    def __init__(self, answer: Answer) -> None:
        """Read from `answer`, which stays with whoever holds it."""
        self._answer = answer
        self._until_s: float | None = None

    async def read(self, *, is_complete: bool) -> bytes:
        """Return what has arrived; empty at the end of what matters.

        Args:
            is_complete: Whether the answer has ended. What follows is waited for once, and not
                missed where the connection is lost.

        Raises:
            ProviderFailed: The connection was lost before the answer was complete.
        """
        if not is_complete:
            return await self._answer.read()
        if self._until_s is None:
            self._until_s = asyncio.get_running_loop().time() + REST_WAIT_S
        try:
            async with asyncio.timeout_at(self._until_s):
                return await self._answer.read()
        except (TimeoutError, ProviderFailed):
            return b""
