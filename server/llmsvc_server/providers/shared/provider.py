"""What every adapter over HTTP is: connections, and chats over them."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from llmsvc_server.chat.features import Capability
from llmsvc_server.chat.route import ProviderInfo
from llmsvc_server.providers.http.client import HttpClient
from llmsvc_server.providers.shared.exchange import Exchange


class HttpProvider:
    """A `ChatProvider`. Use as an async context manager.

    Attributes:
        info: Who this is.
        stream_chat: Runs one chat; see `ChatProvider`.
    """

    def __init__(
        self, info: ProviderInfo, exchange: Exchange[Any], clients: Sequence[HttpClient]
    ) -> None:
        """Connect to nothing yet.

        Args:
            info: Who this is.
            exchange: Runs its chats.
            clients: All the connections that are its own.
        """
        self.info = info
        self.stream_chat = exchange.stream_chat
        self._clients = clients
        self._open = AsyncExitStack()

    def missing(self, model: str, needs: frozenset[Capability]) -> frozenset[Capability]:  # noqa: ARG002  of no model
        """Return `needs`: it sends texts only."""
        return needs

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
