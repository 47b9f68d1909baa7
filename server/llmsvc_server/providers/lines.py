"""Bytes as they arrive -> whole lines. Pure and bounded; knows nothing of what a line says."""

from llmsvc_server.errors import ProviderProtocolError

MAX_LINE_BYTES = 8 * 1024 * 1024
"""Longest line, the one still arriving included. Ollama's own client stops at 8 MB."""

BOM = b"\xef\xbb\xbf"
"""Byte order mark of UTF-8: some writers begin with it."""


class LineBuffer:
    """Keeps the unfinished line between two reads.

    Whole lines come out as one block, not as a list: who decodes many objects at once has no use
    for a list, and a read that ends with its line, the usual one, is passed on without a copy.
    """

    __slots__ = ("_most_bytes", "_pieces", "_tail_bytes")

    def __init__(self, most_bytes: int = MAX_LINE_BYTES) -> None:
        """Be empty; no line may be longer than `most_bytes`, its newline not counted."""
        self._most_bytes = most_bytes
        self._pieces: list[bytes] = []
        self._tail_bytes = 0

    @property
    def pending_bytes(self) -> int:
        """How much of an unfinished line is kept."""
        return self._tail_bytes

    def feed(self, data: bytes) -> bytes:
        r"""Return the lines that `data` completes, blank ones included, each with its newline.

        Args:
            data: Bytes in the order of their arrival, cut anywhere.

        Returns:
            One block that ends in `\n`; empty if no line is complete.

        Raises:
            ProviderProtocolError: A line is too long.
        """
        end = data.rfind(b"\n") + 1
        if end == len(data) and not self._pieces:
            block = data
        elif end:
            self._pieces.append(data[:end])
            block = b"".join(self._pieces)
            self._pieces.clear()
            self._tail_bytes = 0
            if end < len(data):
                self._keep(data[end:])
        else:
            self._keep(data)
            return b""
        if len(block) > self._most_bytes:
            self._check(block)
        return block

    def rest(self) -> bytes:
        """Return the last line, which came without a newline; empty if there is none."""
        line = b"".join(self._pieces)
        self._pieces.clear()
        self._tail_bytes = 0
        return line

    def _keep(self, data: bytes) -> None:
        self._tail_bytes += len(data)
        if self._tail_bytes > self._most_bytes:
            raise ProviderProtocolError(row="C08", phase="stream")
        self._pieces.append(data)

    def _check(self, block: bytes) -> None:
        if max(map(len, block.split(b"\n"))) > self._most_bytes:
            raise ProviderProtocolError(row="C08", phase="stream")
