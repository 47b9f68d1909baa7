"""Bytes as they arrive -> whole lines. Pure and bounded; knows nothing of what a line says."""

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.unfinished import Tail, Tails

MAX_LINE_BYTES = 8 * 1024 * 1024
"""Longest line, the one still arriving included. Ollama's own client stops at 8 MB."""

BOM = b"\xef\xbb\xbf"
"""Byte order mark of UTF-8: some writers begin with it."""


class LineBuffer:
    """Keeps the unfinished line between two reads.

    Whole lines come out as one block, not as a list: who decodes many objects at once has no use
    for a list, and a read that ends with its line, the usual one, is passed on without a copy.

    Attributes:
        tail: The unfinished line; None if there is none.
    """

    __slots__ = ("_max_bytes", "_tails", "tail")

    def __init__(self, tails: Tails, max_bytes: int = MAX_LINE_BYTES) -> None:
        """Be empty, and count in `tails`; no line is longer than `max_bytes` without its newline."""
        self._max_bytes = max_bytes
        self._tails = tails
        self.tail: Tail | None = None

    @property
    def pending_bytes(self) -> int:
        """How much of an unfinished line is kept."""
        return 0 if self.tail is None else self.tail.size_bytes

    def feed(self, data: bytes) -> bytes:
        r"""Return the lines that `data` completes, blank ones included, each with its newline.

        Args:
            data: Bytes in the order of their arrival, cut anywhere.

        Returns:
            One block that ends in `\n`; empty if no line is complete.

        Raises:
            ProviderError: PROTOCOL. A line is too long.
            ProviderError: EXHAUSTED. Too much is unfinished.
        """
        end = data.rfind(b"\n") + 1
        if end == len(data) and self.tail is None:
            block = data
        elif end:
            block = self._through(data[:end])
            if end < len(data):
                self._keep(data[end:])
        else:
            self._keep(data)
            return b""
        if len(block) > self._max_bytes:
            self._check(block)
        return block

    def rest(self) -> bytes:
        """Return the last line, which came without a newline; empty if there is none."""
        return self._through(b"")

    def _through(self, last: bytes) -> bytes:
        """Return what was kept, and what ends it."""
        if self.tail is None:
            return last
        block = self.tail.whole(last)
        self.tail.clear()
        self.tail = None
        return block

    def _keep(self, data: bytes) -> None:
        if self.pending_bytes + len(data) > self._max_bytes:
            raise ProviderError(ErrorKind.PROTOCOL, row="C08", phase="stream")
        if self.tail is None:
            self.tail = Tail(self._tails)
        self.tail.add(data)

    def _check(self, block: bytes) -> None:
        if max(map(len, block.split(b"\n"))) > self._max_bytes:
            raise ProviderError(ErrorKind.PROTOCOL, row="C08", phase="stream")
