"""aiohttp's protocol of a connection, with the guard of `head_guard.py` in the place of its parser.

All of it that is no public API is of tested versions only (`direct_post.py`); `front_guard.py` does
the same by what is public, for two more system calls a request.
"""

import asyncio
import select
from collections import deque
from typing import Any, cast

from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpResponseParser
from typing_extensions import override

from llmsvc_server.providers.http.head_guard import HeadGuard, Reader


class _Heads(list[object]):
    """A queue of one head or two, for aiohttp, in a tenth of the room that the smallest deque takes."""

    def popleft(self) -> object:
        """Take the first one out."""
        return self.pop(0)


class GuardedHandler(ResponseHandler):
    """aiohttp's protocol of one connection, with a guard in front of its parser.

    Attributes:
        has_served: Whether the connection was used before.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, arrivals: select.poll) -> None:
        """Let nothing come, and ask by `arrivals` whether something did."""
        super().__init__(loop)
        self._buffer = cast("deque[Any]", _Heads())
        self.has_served = False
        self._arrivals = arrivals

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._fd = transport.get_extra_info("socket").fileno()
        # No sooner: what takes the two apart again is the loss of a connection that was made.
        self._parser = cast("HttpResponseParser", HeadGuard(self, None))

    def is_quiet(self) -> bool:
        """Return whether nothing came that nobody asked for; not even to this machine's kernel.

        What a new connection's kernel holds may be TLS's own, of which a used one has read all.
        """
        if self.should_close:
            return False
        if not self.has_served:
            return True
        self._arrivals.register(self._fd, select.POLLIN)
        has_come = self._arrivals.poll(0)
        self._arrivals.unregister(self._fd)
        return not has_come

    @override
    def set_response_params(self, **params: Any) -> None:
        """Let one answer come; see aiohttp's."""
        super().set_response_params(**params)
        self._parser = cast("HttpResponseParser", HeadGuard(self, self._parser))

    @override
    def resume_reading(self, resume_parser: bool = True) -> None:
        # aiohttp asks for each piece that is read, and then has its parser go on with nothing.
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def rest(self) -> None:
        """Let nothing come: the answer is over."""
        self.has_served = True
        if (
            self.transport is not None
        ):  # else aiohttp has taken it apart, and no cycle is to be left
            self._parser = cast("HttpResponseParser", HeadGuard(self, None))

    def pass_on(self, reader: Reader, data: bytes) -> None:
        """Have `reader` take what comes before the end of a head."""
        guard, self._parser = self._parser, cast("HttpResponseParser", reader)
        self.data_received(data)
        self._parser = guard

    def step_aside(self, reader: Reader, head: bytes, rest: bytes) -> None:
        """Have `reader` take all that comes, the end of a head by itself.

        Garbage behind a whole answer would cost all of it.
        """
        self._parser = cast("HttpResponseParser", reader)
        self.data_received(head)
        if rest and self.transport is not None and not self.transport.is_closing():
            self.data_received(rest)
