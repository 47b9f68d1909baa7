"""How many streams of one kind may be open at once, and for how long."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from llmsvc_server.errors import LlmsvcError


class StreamLimitReached(LlmsvcError):
    """A stream that stays open is one too many, too long or too busy."""

    def __init__(self, sentence: str) -> None:
        """Keep which limit it was and what to do, for people."""
        super().__init__(sentence)
        self.sentence = sentence


class OpenStreams:
    """Gives places to streams that cost memory for as long as their callers like."""

    def __init__(self, what: str, *, per_connection: int, in_all: int, max_s: float) -> None:
        """Bound them.

        Args:
            what: What they are for.
            per_connection: How many one connection may have.
            in_all: How many there may be.
            max_s: How long one may last, in seconds.
        """
        self._what = what
        self._per_connection = per_connection
        self._in_all = in_all
        self._max_s = max_s
        self._open: Counter[str] = Counter()

    @asynccontextmanager
    async def place(self, connection: str) -> AsyncIterator[None]:
        """Hold a place of `connection` while the block runs, and end the block in time.

        Raises:
            StreamLimitReached: There are enough, or the time is over.
        """
        self._check(connection)
        self._open[connection] += 1
        limit = asyncio.timeout(self._max_s)
        try:
            async with limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            sentence = f"A stream of {self._what} ends after {self._max_s:g} s; begin another one."
            raise StreamLimitReached(sentence) from None
        finally:
            self._open[connection] -= 1
            if not self._open[connection]:
                del self._open[connection]

    def _check(self, connection: str) -> None:
        if self._open.get(connection, 0) >= self._per_connection:
            raise StreamLimitReached(
                f"This connection has {self._per_connection} streams of {self._what}, the most that"
                " it may; end one first."
            )
        if self._open.total() >= self._in_all:
            raise StreamLimitReached(
                f"This server has {self._in_all} streams of {self._what}, the most that it may;"
                " try again later."
            )
