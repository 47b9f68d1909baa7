"""Adapter: Anthropic's models, over its Messages."""

from typing_extensions import override

from llmsvc_server.chat.features import Capability
from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind
from llmsvc_server.providers.anthropic.dialect import AnthropicDialect
from llmsvc_server.providers.anthropic.profiles import can_be_forced, has_formats
from llmsvc_server.providers.http.client import HttpClient
from llmsvc_server.providers.http.unfinished import Unfinished
from llmsvc_server.providers.shared.event_reader import STREAM
from llmsvc_server.providers.shared.exchange import Exchange
from llmsvc_server.providers.shared.provider import HttpProvider

VENDOR_URL = "https://api.anthropic.com"
VERSION = "2023-06-01"
"""Of the protocol (docs/facts/providers.md 2.1). The next, 2026-10-21, knows no `temperature`."""


class AnthropicProvider(HttpProvider):
    """A `ChatProvider` that is never local. Use as an async context manager."""

    def __init__(  # noqa: PLR0913  plain settings, all by keyword
        self,
        name: str,
        *,
        base_url: str = VENDOR_URL,
        api_key: str,
        temperature: float | None,
        max_output_tokens: int,
        max_answer_bytes: int,
        unfinished: Unfinished,
        window_tokens: int | None,
        connect_timeout_s: float,
        user_agent: str,
    ) -> None:
        """Connect to nothing yet.

        Args:
            name: Its key in the configuration.
            base_url: Root of the server, without a slash at its end; a path prefix is kept.
            api_key: Our key.
            temperature: For requests that set none; None leaves it to the model.
            max_output_tokens: Most tokens of one answer, at least 1.
            max_answer_bytes: Longest text of one answer, in UTF-8.
            unfinished: Counts what upstreams have begun to send.
            window_tokens: Context window of its models; None if unknown.
            connect_timeout_s: Longest wait for a connection.
            user_agent: What we call ourselves.
        """
        client = HttpClient(
            base_url,
            connect_timeout_s=connect_timeout_s,
            user_agent=user_agent,
            accept=STREAM,
            own_headers={"x-api-key": api_key, "anthropic-version": VERSION},
        )
        dialect = AnthropicDialect(
            temperature=temperature,
            max_output_tokens=max_output_tokens,
            window_tokens=window_tokens,
        )
        exchange = Exchange(
            client, dialect, unfinished=unfinished, max_answer_bytes=max_answer_bytes
        )
        info = ProviderInfo(name=name, kind=ProviderKind.ANTHROPIC, locality=Locality.REMOTE)
        super().__init__(info, exchange, [client])

    @override
    def missing(self, model: str, needs: frozenset[Capability]) -> frozenset[Capability]:
        """Return what does not work here: there is no mode for any object. See `ChatProvider`."""
        lacks = {Capability.JSON_OBJECT}
        if not has_formats(model):
            lacks.add(Capability.JSON_SCHEMA)
        if not can_be_forced(model):
            lacks.add(Capability.FORCED_CHOICE)
        return needs & lacks
