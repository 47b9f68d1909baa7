"""An upstream that keeps no request, and never ends what it begins to say."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

_PIECE_BYTES = 65_536
_NO_DOCUMENTS: Mapping[str, bytes] = {}


@asynccontextmanager
async def forgetful_upstream(
    content_type: str, first: str, documents: Mapping[str, bytes] = _NO_DOCUMENTS
) -> AsyncIterator[str]:
    """Give the address of a server that reads each chat and answers with `first`.

    Args:
        content_type: Of an answer.
        first: All that ever comes of it; nothing at all, not even a head, where it is empty.
        documents: Path -> JSON that is there to be got.
    """
    framing = f"Content-Type: {content_type}\r\nTransfer-Encoding: chunked"
    said = f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{len(first):x}\r\n{first}\r\n".encode()
    said = said if first else b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        left = _length_in(head)
        while left:
            left -= len(await reader.read(min(left, _PIECE_BYTES)))
        is_chat = head.startswith(b"POST ")
        writer.write(said if is_chat else _document(documents.get(head.split()[1].decode())))
        await writer.drain()
        if is_chat:
            await reader.read()  # until the connection is closed
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def _document(body: bytes | None) -> bytes:
    status = "404 Not Found" if body is None else "200 OK"
    body = body or b""
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def _length_in(head: bytes) -> int:
    for line in head.splitlines():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
