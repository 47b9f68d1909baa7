"""What a provider gets of a large body, and what it costs."""

import tracemalloc

from llmsvc_server.providers.http.large_body import PIECE_BYTES, LargeBody

MIB = 2**20


class Pieces:
    """Takes what is written, as aiohttp's writer does."""

    def __init__(self) -> None:
        """Have none."""
        self.sizes: list[int] = []
        self.content = bytearray()

    async def write(self, piece: memoryview) -> None:
        """Take one."""
        self.sizes.append(len(piece))
        self.content += piece


async def test_it_is_sent_in_pieces_and_whole() -> None:
    body, pieces = bytes(range(256)) * 1_000, Pieces()
    large = LargeBody(body)
    await large.write(pieces)  # type: ignore[arg-type]  # what of a writer it uses

    assert body == bytes(pieces.content)
    assert len(body) == large.size
    assert max(pieces.sizes) == PIECE_BYTES


def test_it_is_not_copied_and_not_shown() -> None:
    body = bytes(8 * MIB)
    tracemalloc.start()
    try:
        large = LargeBody(body)
        _, max_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert max_bytes < MIB
    assert not large.decode()
