"""What every adapter over HTTP is: connections, and chats over them."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.events import ChatEvents
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import ProviderInfo
from llmsvc_server.providers.http.client import HttpClient
from llmsvc_server.providers.shared.exchange import Exchange


class HttpProvider:
    """A `ChatProvider`. Use as an async context manager."""

    def __init__(
        self, info: ProviderInfo, exchange: Exchange[Any], clients: Sequence[HttpClient]
    ) -> None:
        """Connect to nothing yet.

        Args:
            info: Who this is.
            exchange: Runs its chats.
            clients: All the connections that are its own.
        """
        self._info = info
        self._exchange = exchange
        self._clients = clients
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Be ready for requests."""
        for client in self._clients:
            await self._open.enter_async_context(client)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close all connections."""
        await self._open.aclose()

    @property
    def info(self) -> ProviderInfo:
        """Who this is."""
        return self._info

    def stream_chat(self, request: ChatRequest, limits: AttemptLimits) -> ChatEvents:
        """Run one chat; see `ChatProvider`. `request.model` is the provider's spelling.

        Raises:
            ProviderError: While iterating: the provider did not answer, or not well.
        """
        return self._exchange.stream_chat(request, limits)
