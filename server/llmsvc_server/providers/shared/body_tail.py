"""What is still to come of an answer's body, and for how long that matters."""

import asyncio
import math

from llmsvc_server.errors import ProviderError
from llmsvc_server.providers.http.response import UpstreamResponse
from llmsvc_server.providers.shared.ending import Ending
from llmsvc_server.providers.shared.lines import MAX_LINE_BYTES

TAIL_WAIT_S = 2.0
"""How long a complete answer may take to say the rest: its usage, or that nothing follows.

Source: docs/failover.md 3.3.
"""

MAX_TAIL_BYTES = 2 * MAX_LINE_BYTES
"""How much of it is read: more than the longest event, and no stream without an end."""


class BodyTail:
    """The body of one answer that has said its last word, or seemed to."""

    def __init__(self, answer: UpstreamResponse, ending: Ending) -> None:
        """Read from `answer`, which stays with whoever holds it, until `ending` is believed."""
        self._answer = answer
        self._ending = ending
        self._until_s = math.inf
        self._left_bytes = MAX_TAIL_BYTES

    async def read(self) -> bytes:
        """Return what has arrived; empty at the end of what matters.

        What follows a complete answer is waited for once, and not missed where the connection is
        lost. Nothing limits the wait for what an answer still lacks: that is done further up.

        Raises:
            ProviderError: TRANSIENT. The connection was lost before the answer was complete.
        """
        if not self._ending.is_believed:
            return await self._answer.read()
        if math.isinf(self._until_s):  # the first since the answer is complete
            self._until_s = asyncio.get_running_loop().time() + TAIL_WAIT_S
        try:
            async with asyncio.timeout_at(self._until_s):
                data = await self._answer.read()
        except (TimeoutError, ProviderError):
            return b""
        self._left_bytes -= len(data)
        return data if self._left_bytes >= 0 else b""
