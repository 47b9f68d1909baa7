"""What of aiohttp is used without being documented, each part over a real socket.

Where one of these fails with a newer aiohttp, that version stays off `TESTED_AIOHTTP`, and requests
go by its session.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from importlib import metadata
from typing import Any, cast

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpResponseParser, RawResponseMessage
from aiohttp.streams import StreamReader
from typing_extensions import override
from yarl import URL

from llmsvc_server.providers.http.direct_post import TESTED_AIOHTTP, Parsing
from tests.fakes.eventually import eventually
from tests.fakes.raw_answers import response
from tests.fakes.raw_upstream import Asked, RawUpstream, Say

NO_LIMIT = aiohttp.ClientTimeout(total=None)
PARSING = Parsing(
    auto_decompress=False, read_bufsize=65_536, max_line_size=1_024, max_field_size=1_024
)
ANSWER = response(b"a body")
REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"


def saying(*pieces: bytes) -> Say:
    """Return an upstream that answers with `pieces`."""

    async def say(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)

    return say


def request_to(url: str) -> aiohttp.ClientRequest:
    return aiohttp.ClientRequest("POST", URL(url))


@pytest.fixture
async def connector() -> AsyncIterator[aiohttp.TCPConnector]:
    connector = aiohttp.TCPConnector(limit=0)
    async with connector:
        yield connector


async def connected(connector: aiohttp.BaseConnector, upstream: RawUpstream) -> Connection:
    return await connector.connect(request_to(upstream.base_url), [], NO_LIMIT)


async def asked(
    connection: Connection,
) -> tuple[ResponseHandler, RawResponseMessage, StreamReader]:
    """Ask with an empty body; return the protocol, the head and the body that comes."""
    protocol, transport = connection.protocol, connection.transport
    assert protocol is not None
    assert transport is not None
    protocol.set_response_params(read_until_eof=True, **PARSING)
    transport.writelines((REQUEST,))
    message, content = await protocol.read()
    return protocol, message, content


def test_the_locked_version_is_a_tested_one() -> None:
    assert metadata.version("aiohttp") in TESTED_AIOHTTP
    assert metadata.version("aiohttp") == aiohttp.__version__


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("http://example.org/a?b=c#d", "example.org", "/a?b=c"),
        ("http://example.org:80/", "example.org", "/"),
        ("https://example.org:443", "example.org", "/"),
        ("http://[::1]:8000/a%2Fb/é", "[::1]:8000", "/a%2Fb/%C3%A9"),
        ("http://bücher.example/", "xn--bcher-kva.example", "/"),
    ],
)
async def test_a_request_knows_its_host_and_path(url: str, host: str, path: str) -> None:
    request = request_to(url)

    assert (host, path) == (request.headers["Host"], request.url.raw_path_qs)


async def test_a_request_signs_with_what_its_address_carries() -> None:
    assert "Basic dTpw" == request_to("http://u:p@example.org").headers["Authorization"]


async def test_a_session_has_the_connections_of_a_connector(
    connector: aiohttp.TCPConnector,
) -> None:
    async with (
        RawUpstream(saying(ANSWER)) as upstream,
        aiohttp.ClientSession(connector=connector, connector_owner=False) as session,
    ):
        for _ in range(2):
            connection = await connected(connector, upstream)
            _, _, content = await asked(connection)
            await content.read()
            connection.release()
            async with session.post(upstream.base_url) as answer:
                await answer.read()

    assert 1 == upstream.accepted


async def test_an_answer_is_a_status_headers_and_a_body(connector: aiohttp.TCPConnector) -> None:
    async with RawUpstream(saying(ANSWER)) as upstream:
        connection = await connected(connector, upstream)
        _, message, content = await asked(connection)
        body = await content.readany()
        connection.close()

    assert (200, "application/json") == (message.code, message.headers["content-type"])
    assert b"a body" == body


async def test_interim_answers_come_one_by_one(connector: aiohttp.TCPConnector) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    async with RawUpstream(saying(interim, interim, ANSWER)) as upstream:
        connection = await connected(connector, upstream)
        protocol, first, _ = await asked(connection)
        others = [(await protocol.read())[0].code for _ in range(2)]
        connection.close()

    assert [103, 103, 200] == [first.code, *others]


async def test_a_body_stays_compressed(connector: aiohttp.TCPConnector) -> None:
    squeezed = ANSWER.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    async with RawUpstream(saying(squeezed)) as upstream:
        connection = await connected(connector, upstream)
        _, _, content = await asked(connection)
        body = await content.read()
        connection.close()

    assert b"a body" == body


async def test_a_line_of_a_head_has_the_length_it_may_have(
    connector: aiohttp.TCPConnector,
) -> None:
    long = ANSWER.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * 2_000 + b"\r\n\r\n")
    async with RawUpstream(saying(long)) as upstream:
        connection = await connected(connector, upstream)
        with pytest.raises(aiohttp.http_exceptions.HttpProcessingError):
            await asked(connection)
        protocol = connection.protocol
        assert protocol is not None
        assert isinstance(protocol.exception(), aiohttp.http_exceptions.HttpProcessingError)
        assert protocol.should_close
        connection.close()


@pytest.mark.parametrize("is_late", [False, True])
async def test_the_end_of_a_body_is_told_once(
    connector: aiohttp.TCPConnector, *, is_late: bool
) -> None:
    ends: list[str] = []
    gate = asyncio.Event()

    async def say(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(ANSWER[:-1] if is_late else ANSWER)
        await gate.wait()
        writer.write(ANSWER[-1:] if is_late else b"")

    async with RawUpstream(say) as upstream:
        connection = await connected(connector, upstream)
        _, _, content = await asked(connection)
        content.on_eof(lambda: ends.append("end"))
        assert ([] if is_late else ["end"], not is_late) == (ends, content.is_eof())
        gate.set()
        await eventually(content.is_eof)
        connection.close()

    assert ["end"] == ends


async def test_the_end_of_a_body_that_was_given_up_is_told_to_nobody(
    connector: aiohttp.TCPConnector,
) -> None:
    ends: list[str] = []
    until_closed = b"HTTP/1.1 200 OK\r\n\r\nhalf"
    async with RawUpstream(saying(until_closed)) as upstream:
        connection = await connected(connector, upstream)
        _, _, content = await asked(connection)
        content.on_eof(lambda: ends.append("end"))
        content.set_exception(aiohttp.ClientConnectionError())
        connection.close()
        await eventually(lambda: 0 == upstream.open_connections)

    assert [] == ends


@pytest.mark.parametrize(("leave", "connections"), [(Connection.release, 1), (Connection.close, 2)])
async def test_a_connection_is_released_or_closed_and_says_so(
    connector: aiohttp.TCPConnector, leave: Callable[[Connection], None], connections: int
) -> None:
    told: list[str] = []
    async with RawUpstream(saying(ANSWER)) as upstream:
        for _ in range(2):
            connection = await connected(connector, upstream)
            connection.add_callback(lambda: told.append("left"))
            _, _, content = await asked(connection)
            await content.read()
            leave(connection)
            assert (None, None) == (connection.protocol, connection.transport)

    assert (["left"] * 2, connections) == (told, upstream.accepted)


async def test_a_connection_with_half_a_body_is_not_kept(
    connector: aiohttp.TCPConnector,
) -> None:
    async with RawUpstream(saying(ANSWER[:-1])) as upstream:
        connection = await connected(connector, upstream)
        await asked(connection)
        connection.release()

        await eventually(lambda: 0 == upstream.open_connections)


class Parser:
    """Stands in front of a handler's own, and tells what that is asked."""

    def __init__(self, behind: HttpResponseParser) -> None:
        self.asked: list[str] = []
        self._behind = behind

    def feed_data(self, data: bytes) -> object:
        self.asked.append("data")
        return self._behind.feed_data(data)

    def feed_eof(self) -> object:
        self.asked.append("end")
        return self._behind.feed_eof()

    def pause_reading(self) -> None:
        self.asked.append("pause")
        self._behind.pause_reading()


class Handler(ResponseHandler):
    parser: Parser

    @override
    def set_response_params(self, **params: Any) -> None:
        super().set_response_params(**params)
        self.parser = Parser(cast("HttpResponseParser", self._parser))
        self._parser = cast("HttpResponseParser", self.parser)

    @property
    def is_paused(self) -> bool:
        return self._reading_paused


class HandlersConnector(aiohttp.TCPConnector):
    def __init__(self) -> None:
        super().__init__(limit=0)
        handlers = partial(Handler, asyncio.get_running_loop())
        self._factory = cast("partial[ResponseHandler]", handlers)


@pytest.mark.parametrize("end", ["", "cut"])
async def test_a_connectors_handlers_ask_their_parser_for_all_that_comes(end: str) -> None:
    async def say(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(ANSWER[:-1] if end else ANSWER)
        writer.close()

    async with HandlersConnector() as connector, RawUpstream(say) as upstream:
        connection = await connected(connector, upstream)
        handler, _, _ = await asked(connection)
        await eventually(lambda: handler.transport is None)
        connection.close()

    assert isinstance(handler, Handler)
    assert {"data", "end"} == set(handler.parser.asked)


async def test_a_handler_whose_body_is_not_read_is_paused() -> None:
    long = response(b"x" * 1_000_000)
    async with HandlersConnector() as connector, RawUpstream(saying(long)) as upstream:
        connection = await connected(connector, upstream)
        handler, _, content = await asked(connection)
        assert isinstance(handler, Handler)
        await eventually(lambda: handler.is_paused)
        body = await content.read()
        is_paused = handler.is_paused
        connection.close()

    assert "pause" in handler.parser.asked
    assert (1_000_000, False) == (len(body), is_paused)
