"""What upstreams have begun to say and not ended: lines, events, whole bodies, lists of models.

Each may be long, and one chat alone has little of them. So the sum is what is bounded.
"""

from types import TracebackType
from typing import Self

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind

FREE_BYTES = 64 * 1024
"""Of each answer, not counted: longer than lines and errors are that mean well."""

SMALL_BYTES = FREE_BYTES // 2
"""What need not be told: an answer keeps a line and an event at most."""

_PIECE_BYTES = 8 * 1024


class Unfinished:
    """Counts it over all upstreams.

    Nobody may have more than is left for the others then. So there always is something left for
    who has little, and room for a copy of any one of them.

    Attributes:
        bytes: How much there is.
    """

    def __init__(self, max_bytes: int) -> None:
        """Keep less than `max_bytes`; one alone has half of it."""
        self.bytes = 0
        self._max_bytes = max_bytes

    def has_room(self, size_bytes: int, more_bytes: int) -> bool:
        """Return whether something may grow by `more_bytes` to `size_bytes`."""
        return size_bytes <= self._max_bytes - self.bytes - more_bytes


class Tails:
    """The part of one answer, or of one look at a provider. Usable as a context manager."""

    __slots__ = ("_counted_bytes", "_sizes_bytes", "_unfinished")

    def __init__(self, unfinished: Unfinished) -> None:
        """Have nothing of what is `unfinished`."""
        self._unfinished = unfinished
        self._sizes_bytes: dict[object, int] = {}
        self._counted_bytes = 0

    def __enter__(self) -> Self:
        """Be empty."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of all."""
        self.clear()

    def keep(self, where: object, size_bytes: int) -> None:
        """Count so much in one place from now on, instead of what was there.

        Raises:
            ProviderError: EXHAUSTED. There is no room for it.
        """
        before_bytes = self._sizes_bytes.get(where, 0)
        total_bytes = sum(self._sizes_bytes.values()) - before_bytes + size_bytes
        counted_bytes = max(0, total_bytes - FREE_BYTES)
        more_bytes = counted_bytes - self._counted_bytes
        if more_bytes > 0 and not self._unfinished.has_room(counted_bytes, more_bytes):
            raise ProviderError(ErrorKind.EXHAUSTED, cause="unfinished")
        self._unfinished.bytes += more_bytes
        self._counted_bytes = counted_bytes
        self._sizes_bytes[where] = size_bytes

    def clear(self) -> None:
        """Let go of all."""
        self._unfinished.bytes -= self._counted_bytes
        self._counted_bytes = 0
        self._sizes_bytes.clear()


class Tail:
    """Bytes that arrive one after the other and wait for their end, counted among `tails`.

    They are kept in pieces of about one size: a buffer that grows leaves holes behind that nothing
    else fits into.

    Attributes:
        size_bytes: How many there are.
    """

    __slots__ = ("_pieces", "_tails", "size_bytes")

    def __init__(self, tails: Tails) -> None:
        """Be empty."""
        self._tails = tails
        self._pieces: list[bytes] = []
        self.size_bytes = 0

    def add(self, data: bytes) -> None:
        """Keep what came next.

        Raises:
            ProviderError: EXHAUSTED. There is no room for it.
        """
        pieces = self._pieces
        self.size_bytes += len(data)
        if pieces and len(pieces[-1]) + len(data) <= _PIECE_BYTES:
            pieces[-1] += data  # each piece takes room besides
        else:
            pieces.append(data)
        if self.size_bytes > SMALL_BYTES:
            self._tails.keep(self, self.size_bytes)

    def whole(self, last: bytes = b"") -> bytes:
        """Return a copy of all, with `last` behind it."""
        return b"".join((*self._pieces, last))

    def clear(self) -> None:
        """Let go of all."""
        if self.size_bytes > SMALL_BYTES:
            self._tails.keep(self, 0)
        self._pieces.clear()
        self.size_bytes = 0
