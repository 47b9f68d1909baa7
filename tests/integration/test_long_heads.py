"""Heads of answers have a bound in all, however they come."""

import asyncio

import pytest

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.head_guard import MAX_HEAD_BYTES
from tests.fakes.raw_answers import DIALECTS, Dialect, answered
from tests.fakes.raw_upstream import Asked, RawUpstream

each_dialect = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
STATUS = b"HTTP/1.1 200 OK\r\n"
LINE = b"X-Policy: " + b"p" * 500 + b"\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n"


def with_long_head(dialect: Dialect, head_bytes: int) -> bytes:
    """Return a whole answer whose head has so many bytes, in lines that are short enough."""
    status, rest = dialect.answer("said").split(b"\r\n", 1)
    size = head_bytes - (len(status) + len(rest.split(b"\r\n\r\n")[0]) + 6)
    longest = size // 100
    lines = [b"X: " + b"p" * (longest - 5) + b"\r\n" for _ in range(100)]
    lines[0] = b"X: " + b"p" * (longest - 5 + size % 100) + b"\r\n"
    return b"\r\n".join((status, b"".join(lines) + rest))


@each_dialect
@pytest.mark.parametrize("before", [b"", INTERIM], ids=["", "after an interim answer"])
@pytest.mark.parametrize("size", [1, 7, 10_000], ids="{} bytes at a time".format)
async def test_a_head_is_read_however_it_is_cut(dialect: Dialect, before: bytes, size: int) -> None:
    answer = before + dialect.answer("said")

    async def say(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        for at in range(0, len(answer), size):
            writer.write(answer[at : at + size])
            await writer.drain()
            await asyncio.sleep(0)

    async with RawUpstream(say) as upstream, dialect.adapter(upstream.base_url) as provider:
        assert ["said", "said"] == [await answered(provider) for _ in range(2)]
    assert 1 == upstream.accepted


@each_dialect
async def test_the_longest_head_is_read(dialect: Dialect) -> None:
    answer = with_long_head(dialect, MAX_HEAD_BYTES)
    assert MAX_HEAD_BYTES == answer.index(b"\r\n\r\n") + 4

    async def say(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    async with RawUpstream(say) as upstream, dialect.adapter(upstream.base_url) as provider:
        assert "said" == await answered(provider)


@each_dialect
@pytest.mark.parametrize("before", [b"", INTERIM], ids=["", "after an interim answer"])
@pytest.mark.parametrize("ends", [True, False], ids=["ends", "goes on"])
async def test_a_longer_one_is_refused(dialect: Dialect, before: bytes, *, ends: bool) -> None:
    answer = before + with_long_head(dialect, MAX_HEAD_BYTES + 1)

    async def say(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(answer if ends else before + STATUS)
        while not ends:
            writer.write(LINE)
            await writer.drain()

    async with RawUpstream(say) as upstream, dialect.adapter(upstream.base_url) as provider:
        with pytest.raises(ProviderError, match=ErrorKind.PROTOCOL) as caught:
            await answered(provider)

    assert "C08" == caught.value.row
