"""One settings entry -> its adapters, one for each address.

Adapters of clouds are imported here when one is wanted, and so never under `local_only`.
"""

from collections.abc import Mapping
from typing import TypedDict

from llmsvc_server import __version__
from llmsvc_server.chat.route import Locality
from llmsvc_server.config.keyed import KeyedSettings
from llmsvc_server.config.providers import (
    AnthropicSettings,
    HostedEntry,
    MockSettings,
    OllamaSettings,
    OpenaiSettings,
    ProviderEntry,
)
from llmsvc_server.config.server import LimitsSettings
from llmsvc_server.providers.base import ChatProvider
from llmsvc_server.providers.http.networks import Networks
from llmsvc_server.providers.http.unfinished import Unfinished
from llmsvc_server.providers.mock import MockProvider
from llmsvc_server.providers.ollama.chat import OllamaProvider
from llmsvc_server.providers.shared.shortlist import USUAL_BOUND, Bound

USER_AGENT = f"llmsvc/{__version__}"
USUAL_TOKENS = 8_192
"""Most tokens of an answer where nobody set a limit and the provider needs one, or runs on."""


class _Hosted(TypedDict):
    """What every adapter is told that asks somebody."""

    temperature: float | None
    max_answer_bytes: int
    unfinished: Unfinished
    connect_timeout_s: float
    user_agent: str


def adapters(
    name: str,
    entry: ProviderEntry,
    limits: LimitsSettings,
    unfinished: Unfinished,
    bound: Bound = USUAL_BOUND,
) -> Mapping[str, ChatProvider]:
    """Return the adapters of one provider, by the names of its endpoints, not opened yet.

    Args:
        name: The provider's, which its only endpoint has too.
        entry: Its settings.
        limits: Of the answers; None tokens stand for what suits the kind.
        unfinished: Counts what upstreams have begun to send.
        bound: Which models are known of a long list.
    """
    match entry:
        case MockSettings():
            max_words = _usual_tokens(limits)
            return {name: MockProvider(name, model=entry.model, max_output_tokens=max_words)}
        case OllamaSettings():
            return {
                endpoint: _ollama(name, url, entry, limits, unfinished, bound)
                for endpoint, url in entry.endpoints(name).items()
            }
        case OpenaiSettings():
            return {name: _openai(name, entry, limits, unfinished, bound)}
        case AnthropicSettings():
            return {name: _anthropic(name, entry, limits, unfinished)}


def _hosted_settings(entry: HostedEntry, limits: LimitsSettings, unfinished: Unfinished) -> _Hosted:
    return _Hosted(
        temperature=entry.temperature,
        max_answer_bytes=limits.max_answer_bytes,
        unfinished=unfinished,
        connect_timeout_s=entry.connect_timeout_s,
        user_agent=USER_AGENT,
    )


def _ollama(  # noqa: PLR0913, PLR0917  plain parts
    name: str,
    url: str,
    entry: OllamaSettings,
    limits: LimitsSettings,
    unfinished: Unfinished,
    bound: Bound,
) -> ChatProvider:
    return OllamaProvider(
        name,
        base_url=url,
        **_hosted_settings(entry, limits, unfinished),
        num_ctx=entry.num_ctx,
        keep_alive_s=entry.keep_alive_s,
        max_output_tokens=_usual_tokens(limits),
        networks=Networks(entry.local_networks),
        allows_remote=entry.allow_remote_models,
        bound=bound,
    )


def _openai(
    name: str, entry: OpenaiSettings, limits: LimitsSettings, unfinished: Unfinished, bound: Bound
) -> ChatProvider:
    from llmsvc_server.providers.openai.chat import OpenaiProvider  # noqa: PLC0415  see above

    return OpenaiProvider(
        name,
        base_url=entry.base_url,
        **_hosted_settings(entry, limits, unfinished),
        api_key=_secret(entry),
        locality=Locality.LOCAL if entry.local else Locality.REMOTE,
        networks=Networks(entry.local_networks) if entry.local else None,
        max_output_tokens=limits.max_output_tokens,
        window_tokens=entry.context_length,
        token_limit_field=entry.token_limit_field,
        stream_options=entry.stream_options,
        is_openai=entry.is_openai,
        configured_models=entry.named_models,
        bound=bound,
    )


def _anthropic(
    name: str, entry: AnthropicSettings, limits: LimitsSettings, unfinished: Unfinished
) -> ChatProvider:
    from llmsvc_server.providers.anthropic.chat import (  # noqa: PLC0415  see above
        AnthropicProvider,
    )

    return AnthropicProvider(
        name,
        base_url=entry.base_url,
        **_hosted_settings(entry, limits, unfinished),
        api_key=_secret(entry) or "",
        max_output_tokens=_usual_tokens(limits),
        window_tokens=entry.context_length,
    )


def _usual_tokens(limits: LimitsSettings) -> int:
    return USUAL_TOKENS if limits.max_output_tokens is None else limits.max_output_tokens


def _secret(entry: KeyedSettings) -> str | None:
    return None if entry.api_key is None else entry.api_key.get_secret_value()
