"""HTTP/1.1 to one upstream. The only place that sees aiohttp's errors; above it they are ours.

There is one clock here, for connecting. Silence is limited above the adapters, where it is known
what is being waited for.
"""

from collections.abc import Awaitable, Mapping
from dataclasses import replace
from types import MappingProxyType, TracebackType
from typing import Self

import aiohttp
from aiohttp import hdrs, http_exceptions
from aiohttp.connector import Connection
from multidict import CIMultiDict
from yarl import URL

from llmsvc_server.errors import ProviderError
from llmsvc_server.providers.http.connector import (
    ConnectAttempt,
    Connector,
    current_attempt,
)
from llmsvc_server.providers.http.direct_post import (
    DirectPost,
    DirectResponse,
    Parsing,
    reason_for_sessions,
)
from llmsvc_server.providers.http.faults import died_silently
from llmsvc_server.providers.http.head_guard import MAX_HEAD_BYTES
from llmsvc_server.providers.http.large_body import LargeBody
from llmsvc_server.providers.http.networks import Networks
from llmsvc_server.providers.http.response import FAULTS, UpstreamResponse

READ_BUFFER_BYTES = 64 * 1024
"""Above twice as much unread, aiohttp stops reading the socket: a slow caller slows the upstream."""

MAX_HEADER_BYTES = MAX_HEAD_BYTES
"""Longest line of a response's head: some gateways put a whole policy into one."""

_PARSING = Parsing(
    auto_decompress=False,
    read_bufsize=READ_BUFFER_BYTES,
    max_line_size=MAX_HEADER_BYTES,
    max_field_size=MAX_HEADER_BYTES,
)

NO_HEADERS: Mapping[str, str] = MappingProxyType({})

LARGE_BODY_BYTES = 1024 * 1024
"""A longer body is sent in pieces. Whole it would hold up the loop, as aiohttp warns from there."""


class HttpClient:
    """The connections to one upstream. Use as an async context manager, on the running loop."""

    def __init__(  # noqa: PLR0913  plain settings, all by keyword
        self,
        base_url: str,
        *,
        connect_timeout_s: float,
        user_agent: str,
        accept: str = "application/x-ndjson",
        own_headers: Mapping[str, str] = NO_HEADERS,
        networks: Networks | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            base_url: Root of the upstream, without a slash at its end; a path prefix is kept.
            connect_timeout_s: Longest wait for a connection: name, TCP and TLS together.
            user_agent: What we call ourselves.
            accept: Media type of the answers to chats.
            own_headers: What this provider needs, such as our key. With these, the media types
                and our name, nothing else goes out.
            networks: Where connections may lead; None for anywhere.
        """
        self._base_url = base_url
        self._networks = networks
        self._timeout = aiohttp.ClientTimeout(
            total=None,
            connect=connect_timeout_s,
            sock_connect=connect_timeout_s,
            sock_read=None,
        )
        common = {
            hdrs.ACCEPT_ENCODING: "identity",  # A proxy that compresses also buffers.
            hdrs.USER_AGENT: user_agent,
            **own_headers,
        }
        self._asking = CIMultiDict({hdrs.ACCEPT: "application/json", **common})
        self._chatting = CIMultiDict(
            {hdrs.CONTENT_TYPE: "application/json", hdrs.ACCEPT: accept, **common}
        )
        self._urls: dict[str, URL] = {}
        self._direct_posts: dict[str, DirectPost] = {}
        self._is_direct = not reason_for_sessions()

    async def __aenter__(self) -> Self:
        """Be ready for requests."""
        self._connector = Connector(self._networks)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            **_PARSING,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close all connections."""
        await self._session.close()

    async def post(self, path: str, body: bytes, *, may_repeat: bool) -> UpstreamResponse:
        """Send JSON and return the answer once its headers have come.

        Args:
            path: Below the root, with a slash in front.
            body: JSON.
            may_repeat: Whether a connection that was kept open and dies before any byte of the
                answer is replaced, once: upstreams close idle connections just when we use them.

        Raises:
            ProviderError: No such answer. `called` is False if nothing was sent.
        """
        attempt = ConnectAttempt()
        try:
            return await self._send(hdrs.METH_POST, path, body, attempt)
        except aiohttp.ClientConnectionError as error:
            if attempt.is_new or not may_repeat or not died_silently(error):
                raise attempt.translate(error) from None
        except FAULTS as error:
            raise attempt.translate(error) from None
        attempt = ConnectAttempt()
        try:
            response = await self._send(hdrs.METH_POST, path, body, attempt)
        except FAULTS as error:
            lost = attempt.translate(error)
            # The connection that died may have taken the request along.
            raise replace(lost, called=True, requests=lost.requests + 1) from None
        response.requests += 1
        return response

    async def post_instead(
        self, path: str, body: bytes, refused: UpstreamResponse
    ) -> UpstreamResponse:
        """Send what a refusal of its form says a request should have been; once, like `post`.

        Args:
            path: Below the root, with a slash in front.
            body: JSON.
            refused: The refusal, of which nothing more is read.

        Raises:
            ProviderError: No answer. It counts the refused request too.
        """
        refused.close()
        try:
            response = await self.post(path, body, may_repeat=False)
        except ProviderError as error:
            requests = error.requests + refused.requests
            raise replace(error, called=True, requests=requests) from None
        response.requests += refused.requests
        return response

    async def get(self, path: str) -> UpstreamResponse:
        """Ask for a document and return the answer once its headers have come.

        Raises:
            ProviderError: No such answer. `called` is False if nothing was sent.
        """
        attempt = ConnectAttempt()
        try:
            return await self._send(hdrs.METH_GET, path, None, attempt)
        except FAULTS as error:
            raise attempt.translate(error) from None

    async def _send(
        self, method: str, path: str, body: bytes | None, attempt: ConnectAttempt
    ) -> UpstreamResponse:
        token = current_attempt.set(attempt)
        try:
            response: aiohttp.ClientResponse | DirectResponse
            if body is not None and len(body) <= LARGE_BODY_BYTES and self._is_direct:
                post = self._direct_posts.get(path) or self._direct_post(path)
                response = await post.send(body)
            else:
                response = await self._by_session(method, path, body)
            if response.connection is not None:
                _check_framing(response, response.connection)
            return UpstreamResponse(response)
        except BaseException:
            attempt.drop_unsent()
            raise
        finally:
            current_attempt.reset(token)

    def _direct_post(self, path: str) -> DirectPost:
        post = self._direct_posts[path] = DirectPost(
            self._url(path),
            self._chatting,
            connector=self._connector,
            timeout=self._timeout,
            parsing=_PARSING,
        )
        return post

    def _by_session(
        self, method: str, path: str, body: bytes | None
    ) -> Awaitable[aiohttp.ClientResponse]:
        return self._session.request(
            method,
            self._url(path),
            data=body if body is None or len(body) <= LARGE_BODY_BYTES else LargeBody(body),
            headers=self._asking if body is None else self._chatting,
            allow_redirects=False,
        )

    def _url(self, path: str) -> URL:
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = URL(f"{self._base_url}{path}")
        return url


def _check_framing(
    response: aiohttp.ClientResponse | DirectResponse, connection: Connection
) -> None:
    """Return if the body can still come, or has come: what is behind its end is nobody's.

    Raises:
        HttpProcessingError: It broke off where the head came.
    """
    fault = connection.protocol.exception() if connection.protocol is not None else None
    if isinstance(fault, http_exceptions.HttpProcessingError) and not response.content.is_eof():
        response.close()
        raise fault
