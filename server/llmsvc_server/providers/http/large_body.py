"""A request's body that is sent in pieces, and of which there is only one copy."""

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload
from typing_extensions import override

PIECE_BYTES = 64 * 1024


class LargeBody(Payload):
    """Bytes for aiohttp, which sends its own kind whole, and so holds up the loop.

    It would copy them if they came as an `io.BytesIO`.
    """

    _autoclose = True

    def __init__(self, body: bytes) -> None:
        """Send `body`."""
        super().__init__(body)
        self._body = body
        self._size = len(body)

    @override
    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return it as text, where aiohttp wants to show it. Nobody is shown it."""
        return ""

    @override
    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send it."""
        view = memoryview(self._body)
        for begins in range(0, len(view), PIECE_BYTES):
            await writer.write(view[begins : begins + PIECE_BYTES])
